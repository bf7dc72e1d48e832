#!/usr/bin/env node
/**
 * The command line.
 *
 * @module
 */
import { Command } from 'commander'
import { VERSION } from '../version.ts'
import { collateralFetch, collateralShow } from './collateral.ts'
import type { FetchOptions, ShowOptions } from './collateral.ts'
import { collateralGpu } from './collateral-gpu.ts'
import type { CollateralGpuOptions } from './collateral-gpu.ts'
import { composeCheck } from './compose-check.ts'
import type { ComposeCheckOptions } from './compose-check.ts'
import { composeHash } from './compose-hash.ts'
import { addConformanceCommands } from './conformance-commands.ts'
import { addEvidenceCommands } from './evidence-commands.ts'
import { EXIT } from './exit-codes.ts'
import { addNodeCommands } from './node-commands.ts'
import { addProxyCommand } from './proxy-command.ts'
import { collect } from './collect.ts'
import { hideProcess } from './hide-process.ts'
import { refuseSilence } from './refuse-silence.ts'
import { exitWith } from './refusal.ts'
import { keysRotate, keysShow } from './keys.ts'
import type { KeysOptions } from './keys.ts'
import { addServeOptions } from './serve-options.ts'
import { serve } from './serve.ts'
import type { ServeOptions } from './serve.ts'
import { tcbStatus } from './tcb-status.ts'
import type { TcbStatusOptions } from './tcb-status.ts'
import { verify } from './verify.ts'
import type { VerifyOptions } from './verify.ts'
import { weights } from './weights.ts'
import type { WeightsOptions } from './weights.ts'

const program = new Command('countersign')
  .description(
    'Signs every completion of a model server inside a confidential VM, and verifies it.',
  )
  .version(VERSION)
  // Commands made below inherit it: wrong use is 2, help and version are 0.
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT.usage))

addServeOptions(
  program
    .command('serve')
    .description(
      'run the sidecar; bearer tokens come from COUNTERSIGN_TOKENS=name:token[:relay],…',
    ),
)
  .option(
    '--print-config',
    'print the configuration as it would be attested, with its digest, and exit',
  )
  .action(async (options: ServeOptions) => {
    await hideProcess()
    await serve(options)
    // Idle upstream sockets must not keep a drained service alive.
    process.exit(0)
  })

program
  .command('verify')
  .description('appraise a service or a saved document, and optionally one receipt')
  .argument(
    '<url|file>',
    'base URL of the service (or of a broker’s /v1/proxy), or a saved document or report',
  )
  .option('--nonce <hex>', '64 lower-case hex digits; a live service gets a random one')
  .option('--at <time>', 'judge as of this time (unix seconds or ISO)')
  .option(
    '--policy <file|name>',
    'appraisal policy (JSON), or relying-party (default, without --at) or node',
  )
  .option('--roots <file>', 'roots of a simulation')
  .option(
    '--layout <name>',
    'what the file is: countersign, dstack, vllm-proxy, aci, ratls, gpu, nras or evidence',
  )
  .option('--compose <file>', 'for a report that holds none: the raw app-compose.json')
  .option('--report-data <hex>', 'for a dstack report: the bytes that you had quoted')
  .option('--allow-simulated', 'accept simulated evidence')
  .option(
    '--collateral <file|dir>',
    "Intel's collateral: one set, or a folder as `collateral fetch` keeps it",
  )
  .option(
    '--gpu-collateral <file|dir>',
    "NVIDIA's RIMs and OCSP responses: one set (JSON), or a folder that --fetch-collateral kept",
  )
  .option('--gpus <n>', 'for GPU evidence alone: how many GPUs there must be')
  .option('--nras <file>', 'for GPU evidence alone: what NVIDIA’s service answered about it')
  .option('--jwks <file>', 'key set of that service')
  .option(
    '--fetch-collateral',
    'ask Intel for collateral, and NVIDIA where there are GPUs: they learn which processor family and which GPUs you verify. ' +
      'Without this nothing but the service is asked',
  )
  .option(
    '--channel <channel>',
    'with --fetch-collateral or a folder: TCB updates, standard (default) or early',
  )
  .option('--pccs <url>', 'with --fetch-collateral: ask this caching service in place of Intel')
  .option('--rim-url <url>', 'with --fetch-collateral: ask this RIM service in place of NVIDIA’s')
  .option('--ocsp-url <url>', 'with --fetch-collateral: ask this responder in place of NVIDIA’s')
  .option('--proxy <url|none>', 'with --fetch-collateral: default HTTPS_PROXY and NO_PROXY')
  .option('--tls-ca <file>', 'with --fetch-collateral: CAs of the service (PEM)')
  .option(
    '--accept-unchecked',
    'do without the checks that cannot be made for want of collateral or reference values',
  )
  .option('--require <check>', 'a check that must pass; may be repeated', collect)
  .option('--receipt <file>', 'a receipt to verify under the keyset')
  .option(
    '--opening <hex>',
    'the receipt’s opening: X-Countersign-Opening of the answer, or of the answer that the receipt was fetched in, as a COSE_Sign1 holds none; without it no member of a body is shown',
  )
  .option('--request <file>', 'the exact request body')
  .option('--response <file>', 'the exact response body')
  .option('--challenge <text>', 'the challenge that was sent')
  .option(
    '--inclusion <file>',
    'the proof that the receipt is in the log, from /v1/attestation/log/inclusion/{id}',
  )
  .option(
    '--level <level>',
    'what the receipt must show: bytes, content (for answers through a broker) or signer',
  )
  .option(
    '--state <file>',
    'remember the head of the service’s log there, and refuse a service whose log does not go on from it',
  )
  .option(
    '--log-name <name>',
    'with --state, a name that the log may have; may be repeated',
    collect,
  )
  .option('--any-outcome', 'accept the receipt of an answer that did not end well')
  .option('--json', 'print the verdict as one JSON document')
  .action(async (target: string, options: VerifyOptions) => {
    process.exit(await verify(target, options))
  })

program
  .command('demo')
  .description(
    'everything at once on this machine: simulated enclave, demo model, hostile broker, verified client',
  )
  .option('--once', 'exit after the checks: 0 when all passed, 1 when one failed')
  .option('--json', 'print the verdicts as one JSON document')
  .option('--port <port>', 'port of the sidecar (default: a free one)')
  .action(
    async (options: {
      readonly once?: boolean
      readonly json?: boolean
      readonly port?: string
    }) => {
      // Loaded on demand: the demo alone needs the openai package.
      const { runDemo } = await import('../demo/run-demo.ts')
      process.exit(await runDemo(options))
    },
  )

const collateral = program
  .command('collateral')
  .description('what Intel and NVIDIA sign about their hardware')
collateral
  .command('fetch')
  .description('ask Intel, or a caching service, and keep what it says')
  .argument('[file]', 'a quote, an attestation document or a report that holds one')
  .option('--fmspc <hex>', 'without a file: the processor family, 12 hex digits')
  .option('--ca <name>', 'without a file: platform (default) or processor')
  .option('--channel <channel>', 'standard or early (default: both)')
  .option('--dir <dir>', 'where to keep it (default ~/.cache/countersign/collateral)')
  .option('--pccs <url>', 'caching service to ask in place of Intel')
  .option('--proxy <url|none>', 'default HTTPS_PROXY and NO_PROXY')
  .option('--tls-ca <file>', 'CAs of the service (PEM)')
  .option('--json', 'print the sets as one JSON document')
  .action(async (file: string | undefined, options: FetchOptions) => {
    process.exit(await collateralFetch(file, options))
  })
collateral
  .command('show')
  .description('what is kept, by what it says of itself; asks nobody, verifies nothing')
  .argument('[file|dir]', 'default ~/.cache/countersign/collateral')
  .option('--json', 'print the sets as one JSON document')
  .action(async (path: string | undefined, options: ShowOptions) => {
    process.exit(await collateralShow(path, options))
  })

collateral
  .command('gpu')
  .description(
    "ask NVIDIA for the RIMs and OCSP responses of GPU evidence, and print one file for verify's --gpu-collateral",
  )
  .argument(
    '<file>',
    'GPU evidence (a list, a request to NRAS, what nvattest prints), or a document or report that holds some',
  )
  .option('--dir <dir>', 'cache (default ~/.cache/countersign/collateral)')
  .option('--rim-url <url>', 'RIM service to ask in place of NVIDIA')
  .option('--ocsp-url <url>', 'OCSP responder to ask in place of NVIDIA')
  .option('--proxy <url|none>', 'default HTTPS_PROXY and NO_PROXY')
  .option('--tls-ca <file>', 'CAs of the services (PEM)')
  .action(async (file: string, options: CollateralGpuOptions) => {
    process.exit(await collateralGpu(file, options))
  })

program
  .command('tcb-status')
  .description(
    'the state of a platform by standard and early collateral, and what it is short of; asks Intel unless --collateral is given',
  )
  .argument('<file>', 'a quote, an attestation document or a report that holds one')
  .option(
    '--collateral <file|dir>',
    'ask nobody: one set, or a folder as `collateral fetch` keeps it',
  )
  .option('--pccs <url>', 'caching service to ask in place of Intel')
  .option('--proxy <url|none>', 'default HTTPS_PROXY and NO_PROXY')
  .option('--tls-ca <file>', 'CAs of the service (PEM)')
  .option('--at <time>', 'judge as of this time (unix seconds or ISO)')
  .option('--policy <file>', 'appraisal policy (JSON)')
  .option('--roots <file>', 'roots of a simulation')
  .option('--allow-simulated', 'accept simulated evidence')
  .option('--json', 'print both as one JSON document')
  .action(async (file: string, options: TcbStatusOptions) => {
    process.exit(await tcbStatus(file, options))
  })

addNodeCommands(program)
addProxyCommand(program)
addEvidenceCommands(program)

addConformanceCommands(program)

const keys = program.command('keys').description('the address key of this machine')
for (const [name, description, act] of [
  ['show', 'source, address, key provider, and what the address survives', keysShow],
  [
    'rotate',
    'make the next generation of a sealed address key; stop the service first',
    keysRotate,
  ],
] as const) {
  keys
    .command(name)
    .description(description)
    .option('--config <file>', 'configuration file of the service (JSON)')
    .option('--address-key <source>', 'derived, sealed or ephemeral')
    .option('--address-key-dir <dir>', 'where a sealed key is kept (default /var/lib/countersign)')
    .option('--tapp-app-id <id>', "the machine was started by 0G's TAPP, and the app under this id")
    .option('--tapp-socket <path>', 'with --simulate: a TAPP that is simulated elsewhere')
    .option('--simulate', 'ask a simulator: that of COUNTERSIGN_AGENT_SOCKET, or one of its own')
    .option('--json', 'print one JSON document')
    .action(async (options: KeysOptions) => {
      await hideProcess()
      process.exit(await act(options))
    })
}

const compose = program.command('compose').description('about app-compose.json')
compose
  .command('hash')
  .description('SHA-256 of the raw bytes, as the guest measures it')
  .argument('<file>')
  .action(async (file: string) => {
    process.exit(await composeHash(file))
  })
compose
  .command('check')
  .description('refuse what would let something run that the hash does not vouch for')
  .argument('<file>')
  .option('--template', 'let the zeros stand that a template has for digests and revisions')
  .option('--json', 'print the findings as one JSON document')
  .action(async (file: string, options: ComposeCheckOptions) => {
    process.exit(await composeCheck(file, options))
  })

program
  .command('weights')
  .description(
    'hash the folder of a model as `serve --weights` does: the digest to publish, or to compare; asks nobody',
  )
  .argument('<dir>')
  .option('--json', 'print what the configuration would attest, as one JSON document')
  .action(async (dir: string, options: WeightsOptions) => {
    process.exit(await weights(dir, options))
  })

refuseSilence()
program.parseAsync().catch(exitWith)
