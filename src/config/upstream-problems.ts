/**
 * What is wrong with a list of upstreams taken together.
 *
 * @module
 */
import type { UpstreamConfig } from '../relay/upstreams.ts'
import { parseUpstreamUrl } from './upstream-url.ts'

/** What stands for an address, where it can hold no password. */
function gotten(text: string): string {
  return /^[\x21-\x7e]{1,128}$/.test(text) && !/[@?#]/.test(text) ? `; got ${text}` : ''
}

/** One sentence each, without a stop at the end; none: the list can be used. */
export function upstreamProblems(
  upstreams: readonly UpstreamConfig[],
  allowRemote: boolean,
): string[] {
  const problems: string[] = []
  const names = new Set<string>()
  const urls = new Set<string>()
  const models = new Set<string>()
  let any: string | null = null
  for (const upstream of upstreams) {
    const { name } = upstream
    // A flag without a name gives this one.
    const label = name === 'upstream' ? name : `upstream ${name}`
    // A receipt names the upstream that answered: two of one name would be one.
    if (names.has(name)) problems.push(`two upstreams are called ${name}`)
    names.add(name)
    for (const url of upstream.urls) {
      const parsed = parseUpstreamUrl(url)
      if (parsed === null) {
        problems.push(`${label}: write unix:/path.sock or http://address:port${gotten(url)}`)
        continue
      }
      if (parsed.kind === 'http' && !parsed.local && !allowRemote) {
        problems.push(
          `${label}: ${parsed.origin} is neither a unix socket nor a loopback address: the host could answer at any other, and prompts ` +
            'would leave the confidential VM (--allow-remote-upstream permits it and is attested)',
        )
      }
      const key = parsed.kind === 'unix' ? parsed.socketPath : parsed.origin
      // Its open requests would be counted twice over, each time without the others.
      if (urls.has(key)) problems.push(`${label}: an address stands twice`)
      urls.add(key)
    }
    for (const model of upstream.models) {
      if (models.has(model)) problems.push(`${label}: a model is listed twice`)
      models.add(model)
    }
    if (upstream.models.length > 0) continue
    if (any === null) any = name
    else {
      problems.push(
        `upstreams ${any} and ${name} both take any model: list the models of one, or give one upstream several urls`,
      )
    }
  }
  return problems
}
