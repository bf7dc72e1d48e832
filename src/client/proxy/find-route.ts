/**
 * What a path of the local port stands for: an allow-list, like the relay's.
 *
 * @module
 */
import { OPERATIONS, operationOf } from '../operation.ts'
import type { Operation } from '../operation.ts'

/** One that passes although nobody vouches for its answers. */
export interface PassedRoute {
  readonly method: string
  /** `/v1/models`, or `/v1/models/*` for everything below it. */
  readonly path: string
}

export type ProxyRoute =
  | { readonly kind: 'verified'; readonly operation: Operation; readonly url: string }
  /** `name` is the entry of the list. */
  | { readonly kind: 'passed'; readonly name: string; readonly url: string }
  | { readonly kind: 'refused' }

const REFUSED: ProxyRoute = { kind: 'refused' }

/** Without `%` and without dots alone: nothing that a server could resolve to another path than the one that was compared. */
const PLAIN_PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~:@-]+)+$/
/** RFC 3986 §3.4 without the apostrophe, which some writers of URLs escape. */
const QUERY = /^(?:\?[A-Za-z0-9._~!$&()*+,;=:@/?%-]*)?$/

/** @param path of a base URL, empty or without a slash at its end */
export function isPlainBase(path: string): boolean {
  return path === '' || PLAIN_PATH.test(path)
}

function operationAt(path: string): Operation | null {
  const found = OPERATIONS.find(({ endpoint, suffix }) => path === endpoint || path === suffix)
  return found ?? null
}

/** `/chat/completions` below the service's base. */
function below(base: string, suffix: string): string {
  // `/v2/rerank` lies beside `/v1` of a service, and below a broker's `/v1/proxy`.
  const root = suffix.startsWith('/v2/') ? base.replace(/(?<!:\/)\/v1$/, '') : base
  return root + suffix
}

function isNamed(route: PassedRoute, method: string, path: string): boolean {
  if (route.method !== method) return false
  return route.path.endsWith('/*') ? path.startsWith(route.path.slice(0, -1)) : path === route.path
}

/** @returns null for what is no method and path, or is verified already */
export function parsePassedRoute(text: string): PassedRoute | null {
  const match = /^(?:([A-Z]{3,8}) +)?(\/[^\s*?#]*(?:\/\*)?)$/.exec(text)
  if (match === null) return null
  const [, method = 'GET', path = ''] = match
  const plain = path.replace(/\/\*$/, '')
  if (!PLAIN_PATH.test(plain)) return null
  // Operations are told by the end of their path, and below any path there may be one, `/v1/proxy/chat/completions` say.
  const hides = method === 'POST' && (path.endsWith('/*') || operationOf(path) !== null)
  return hides ? null : { method, path }
}

/**
 * @param target path and query as they came
 * @param base of the service, without a slash at its end
 */
export function findRoute(
  method: string,
  target: string,
  base: string,
  passed: readonly PassedRoute[],
): ProxyRoute {
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  const query = mark === -1 ? '' : target.slice(mark)
  if (!PLAIN_PATH.test(path) || !QUERY.test(query)) return REFUSED
  const operation = operationAt(path)
  if (operation !== null && method === 'POST') {
    return { kind: 'verified', operation, url: below(base, operation.suffix) + query }
  }
  const named = passed.find((route) => isNamed(route, method, path))
  if (named === undefined) return REFUSED
  const suffix = path.startsWith('/v1/') ? path.slice('/v1'.length) : path
  return {
    kind: 'passed',
    name: `${named.method} ${named.path}`,
    url: below(base, suffix) + query,
  }
}
