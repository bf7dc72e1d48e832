/**
 * Addresses as the flags of `serve` give them.
 *
 * @module
 */
import { Refusal } from './refusal.ts'

/** @throws Refusal where it is not host and port */
export function parseListen(text: string, flag = '--listen'): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new Refusal(`${flag} takes host:port, for example 127.0.0.1:8080; got ${text}.`)
  }
  return { host: match[1] ?? (match[2] === '' ? '0.0.0.0' : (match[2] ?? '127.0.0.1')), port }
}

/** Flags of one name are addresses of one upstream; so are all flags without a name. */
export function parseUpstreamFlags(flags: readonly string[]): { name: string; urls: string[] }[] {
  const byName = new Map<string, string[]>()
  for (const text of flags) {
    const match = /^([a-z0-9][a-z0-9._-]{0,63})=(.+)$/.exec(text)
    const name = match?.[1] ?? 'upstream'
    const urls = byName.get(name) ?? []
    urls.push(match?.[2] ?? text)
    byName.set(name, urls)
  }
  return [...byName].map(([name, urls]) => ({ name, urls }))
}
