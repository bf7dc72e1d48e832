#!/usr/bin/env node
/**
 * The command line.
 *
 * @module
 */
import { Command } from 'commander'
import { VERSION } from '../version.ts'
import { composeHash } from './compose-hash.ts'
import { EXIT } from './exit-codes.ts'
import { exitWith } from './refusal.ts'
import { serve } from './serve.ts'
import type { ServeOptions } from './serve.ts'
import { verify } from './verify.ts'
import type { VerifyOptions } from './verify.ts'

const collect = (value: string, all: readonly string[] = []): readonly string[] => [...all, value]

const program = new Command('countersign')
  .description(
    'Signs every completion of a model server inside a confidential VM, and verifies it.',
  )
  .version(VERSION)
  // Commands made below inherit it: wrong use is 2, help and version are 0.
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT.usage))

program
  .command('serve')
  .description('run the sidecar; bearer tokens come from COUNTERSIGN_TOKENS=name:token[:relay],…')
  .option('--config <file>', 'configuration file (JSON)')
  .option('--listen <host:port>', 'address to listen on (default 127.0.0.1:8080)')
  .option(
    '--upstream <[name=]url>',
    'model server: unix:/path.sock or http://address:port',
    collect,
  )
  .option('--require-gpu <n>', 'GPUs the machine must have and attest')
  .option('--address-key <source>', 'derived or ephemeral')
  .option('--allow-remote-upstream', 'permit upstreams outside this machine (attested)')
  .option('--metrics <host:port>', 'where health and metrics are served (default 127.0.0.1:9464)')
  .option('--no-metrics', 'do not serve them')
  .option(
    '--print-config',
    'print the configuration as it would be attested, with its digest, and exit',
  )
  .option('--simulate', 'run without a confidential VM; proves nothing')
  .option('--compose <file>', 'with --simulate: the compose text that the simulated guest runs')
  .action(async (options: ServeOptions) => {
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
  .option('--nonce <hex>', '64 hex digits; a live service gets a random one')
  .option('--at <time>', 'judge as of this time (unix seconds or ISO)')
  .option('--policy <file>', 'appraisal policy (JSON)')
  .option('--roots <file>', 'roots of a simulation')
  .option('--layout <name>', 'what the file is: countersign, dstack, vllm-proxy, aci or ratls')
  .option('--collateral <file>', 'for a report: what Intel says of the platform (JSON)')
  .option('--compose <file>', 'for a report that holds none: the raw app-compose.json')
  .option('--report-data <hex>', 'for a dstack report: the bytes that you had quoted')
  .option('--allow-simulated', 'accept simulated evidence')
  .option('--accept-unchecked', 'do without the checks that this version does not make yet')
  .option('--require <check>', 'a check that must pass; may be repeated', collect)
  .option('--receipt <file>', 'a receipt to verify under the keyset')
  .option('--opening <hex>', 'the receipt’s opening')
  .option('--request <file>', 'the exact request body')
  .option('--response <file>', 'the exact response body')
  .option('--challenge <text>', 'the challenge that was sent')
  .option('--level <level>', 'what the receipt must show: bytes, content or signer')
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

const compose = program.command('compose').description('about app-compose.json')
compose
  .command('hash')
  .description('SHA-256 of the raw bytes, as the guest measures it')
  .argument('<file>')
  .action(async (file: string) => {
    process.exit(await composeHash(file))
  })

program.parseAsync().catch(exitWith)
