/**
 * What was done to this process before its first line ran: code loaded into it, checks of Node switched off, a debugger let in.
 *
 * Code that was loaded can hide itself, so this is no defence against it: the compose text is, which is measured and names every
 * variable that the container gets. It is against a machine that somebody set up to look into it and then put to work.
 *
 * @module
 */
import { url as debuggerUrl } from 'node:inspector'

/** Node's, the loader's and OpenSSL's own variables: by most of them they take code, and newer releases have newer ones. */
const OF_THE_RUNTIME = /^(?:NODE_|LD_|OPENSSL_|GLIBC_|V8_)/

/** What the image sets, and what alters nothing but a word on standard error or whom collateral is fetched from. */
const KNOWN_HARMLESS: ReadonlySet<string> = new Set([
  ...['NODE_ENV', 'NODE_VERSION', 'NODE_NO_WARNINGS', 'NODE_PENDING_DEPRECATION'],
  ...['NODE_DISABLE_COMPILE_CACHE', 'NODE_EXTRA_CA_CERTS'],
])

/** Of other families; with `DEBUG` libraries write to standard error what passes through them. */
const ALTERING: ReadonlySet<string> = new Set(['SSLKEYLOGFILE', 'GCONV_PATH', 'DEBUG'])

function alters(name: string): boolean {
  return ALTERING.has(name) || (OF_THE_RUNTIME.test(name) && !KNOWN_HARMLESS.has(name))
}

/** Arguments of Node itself that size its memory, or close something. */
const HARMLESS = /^--(?:max-old-space-size|max-semi-space-size|v8-pool-size|disable-sigusr1)(?:=|$)/

export interface StartedProcess {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** `process.execArgv` */
  readonly nodeArguments: readonly string[]
  /** Of Node's inspector; undefined where it does not listen. */
  readonly debuggerUrl: string | undefined
}

export function startedProcess(environment: NodeJS.ProcessEnv): StartedProcess {
  return { environment, nodeArguments: process.execArgv, debuggerUrl: debuggerUrl() }
}

/** @returns names, never values; null where nothing was altered */
export function alterationOf(started: StartedProcess): string | null {
  const set = Object.keys(started.environment).filter(
    (name) => alters(name) && (started.environment[name] ?? '') !== '',
  )
  const told = started.nodeArguments
    .filter((argument) => !HARMLESS.test(argument))
    .map((argument) => argument.split('=', 1)[0] ?? '')
  const listens = started.debuggerUrl === undefined ? [] : ['an open debugger']
  const all = [...set, ...told, ...listens]
  return all.length === 0 ? null : all.join(', ')
}

/** Node opens its debugger on SIGUSR1: whoever may signal the process could read its keys. */
export function ignoreDebuggerSignal(): void {
  process.on('SIGUSR1', () => {})
}
