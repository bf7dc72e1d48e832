/**
 * The flags of `countersign proxy`.
 *
 * @module
 */
import type { Command } from 'commander'
import { collect } from './collect.ts'
import { proxy } from './proxy.ts'
import type { ProxyCommandOptions } from './proxy.ts'

export function addProxyCommand(program: Command): void {
  program
    .command('proxy')
    .description(
      'a port of this machine whose answers are verified: point any OpenAI or Anthropic client at it, in any language',
    )
    .requiredOption('--upstream <url>', 'base URL of the service, or of a broker’s /v1/proxy')
    .option('--listen <host:port>', 'address to listen on (default 127.0.0.1:4180)')
    .option(
      '--require-level <level>',
      'what an answer must reach: content (default, through a broker) or bytes',
    )
    .option(
      '--stream <mode>',
      'pass (default): events as they come, the end when it has verified; hold: nothing before all of it has verified',
    )
    .option(
      '--pass-unverified <route>',
      'a route that passes although nobody vouches for its answers, for example "GET /v1/models"; may be repeated',
      collect,
    )
    .option(
      '--api-key-env <name>',
      'variable that holds the key of the service (default: callers show their own)',
    )
    .option('--api-key-file <file>', 'file that holds it')
    .option(
      '--token-env <name>',
      'variable that holds a token which callers must show to this proxy',
    )
    .option('--token-file <file>', 'file that holds it')
    .option(
      '--owner-secret-env <name>',
      'variable that holds a secret in base64url under which receipts are asked for, so that evidence save gets them whole with the same one (default: random, and gone with the proxy)',
    )
    .option('--allow-origin <origin>', 'a web page that may use the port; may be repeated', collect)
    .option(
      '--allow-host <host:port>',
      'another name under which clients reach the port; may be repeated',
      collect,
    )
    .option('--allow-remote-clients', 'permit an address to listen on that other machines reach')
    .option('--allow-plain-upstream', 'permit http to another machine')
    .option('--policy <file|name>', 'appraisal policy (JSON), or relying-party (default) or node')
    .option('--roots <file>', 'roots of a simulation')
    .option('--allow-simulated', 'accept simulated evidence; proves nothing')
    .option(
      '--accept-unchecked',
      'do without the checks that cannot be made for want of collateral or reference values',
    )
    .option('--require <check>', 'a check that must pass; may be repeated', collect)
    .option(
      '--state <file>',
      'remember the heads of logs there, and refuse a service whose log does not go on from it',
    )
    .option(
      '--log-name <name>',
      'with --state, a name that the log may have; may be repeated',
      collect,
    )
    .option('--collateral <file|dir>', "Intel's collateral")
    .option('--gpu-collateral <file|dir>', "NVIDIA's: RIMs and OCSP responses")
    .option('--fetch-collateral', 'ask Intel and NVIDIA')
    .option('--channel <channel>', 'TCB updates, standard (default) or early')
    .option('--pccs <url>', 'caching service to ask in place of Intel')
    .option('--rim-url <url>', 'RIM service to ask in place of NVIDIA')
    .option('--ocsp-url <url>', 'OCSP responder to ask in place of NVIDIA')
    .option('--proxy <url|none>', 'with --fetch-collateral: default HTTPS_PROXY and NO_PROXY')
    .option('--tls-ca <file>', 'with --fetch-collateral: CAs of those services (PEM)')
    .action(async (options: ProxyCommandOptions) => {
      await proxy(options)
      // Idle sockets must not keep a drained proxy alive.
      process.exit(0)
    })
}
