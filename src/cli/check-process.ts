/**
 * What was done to this process before its first line ran: code loaded into it, checks of Node switched off, a debugger let in.
 *
 * Code that was loaded can hide itself, so this is no defence against it: the compose text is, which is measured and names every
 * variable that the container gets. It is against a machine that somebody set up to look into it and then put to work.
 *
 * @module
 */
import { url as debuggerUrl } from 'node:inspector'

/** Variables by which Node, OpenSSL or the loader take code, or tell others what passes through the process. */
const ALTERING: readonly string[] = [
  ...['NODE_OPTIONS', 'NODE_PATH', 'NODE_TLS_REJECT_UNAUTHORIZED', 'NODE_USE_ENV_PROXY'],
  ...['NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_V8_COVERAGE'],
  ...['OPENSSL_CONF', 'OPENSSL_MODULES', 'OPENSSL_ENGINES', 'SSLKEYLOGFILE'],
  ...['LD_PRELOAD', 'LD_LIBRARY_PATH', 'LD_AUDIT', 'GCONV_PATH'],
]

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
  const set = ALTERING.filter((name) => (started.environment[name] ?? '') !== '')
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
