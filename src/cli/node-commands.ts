/**
 * Commands for whoever runs a node: what keeps it from serving, and whether it serves as its users need.
 *
 * @module
 */
import type { Command } from 'commander'
import { doctor } from './doctor.ts'
import type { DoctorOptions } from './doctor.ts'
import { collect } from './collect.ts'
import { hideProcess } from './hide-process.ts'
import { addServeOptions } from './serve-options.ts'
import { smoke } from './smoke.ts'
import type { SmokeOptions } from './smoke.ts'
import { DEFAULT_OPERATIONS_URL, tlsCsr } from './tls.ts'
import type { TlsCsrOptions } from './tls.ts'

export function addNodeCommands(program: Command): void {
  addServeOptions(
    program
      .command('doctor')
      .description(
        'what keeps this node from serving, or soon will: one row for each cause, with the next action; takes the flags of serve; asks nobody outside the machine without --fetch-collateral',
      ),
  )
    .option(
      '--volume <dir>',
      'one more folder to measure, beside those of --store and a sealed key; a temporary file is written',
    )
    .option('--target-url <url>', 'where the broker reaches this sidecar, for its configuration')
    .option('--fetch-collateral', 'ask Intel and NVIDIA, who learn what this machine is')
    .option('--pccs <url>', 'caching service to ask in place of Intel')
    .option('--rim-url <url>', 'RIM service to ask in place of NVIDIA')
    .option('--ocsp-url <url>', 'OCSP responder to ask in place of NVIDIA')
    .option('--proxy <url|none>', 'default HTTPS_PROXY and NO_PROXY')
    .option('--tls-ca <file>', 'CAs of the services (PEM)')
    .option('--policy <file>', 'appraisal policy (JSON) for the state of the platform')
    .option('--roots <file>', 'roots of a simulation')
    .option('--allow-simulated', 'accept simulated evidence')
    .option('--json', 'print the rows as one JSON document')
    .action(async (options: DoctorOptions) => {
      await hideProcess()
      process.exit(await doctor(options))
    })

  program
    .command('smoke')
    .description(
      "try a live node as its users will: 0G's acceptance probes for providers and ours; the token comes from the environment",
    )
    .argument('<url>', 'base URL of the sidecar, with or without /v1')
    .option('--token-env <name>', 'variable that holds the bearer token (default SMOKE_TOKEN)')
    .option('--model <model>', 'default: the first that is listed')
    .option('--policy <file|name>', 'appraisal policy (JSON), or relying-party (default) or node')
    .option('--roots <file>', 'roots of a simulation')
    .option('--allow-simulated', 'accept simulated evidence')
    .option(
      '--accept-unchecked',
      'do without the checks that cannot be made for want of collateral or reference values',
    )
    .option('--collateral <file|dir>', "Intel's collateral")
    .option('--gpu-collateral <file|dir>', "NVIDIA's: RIMs and OCSP responses")
    .option('--fetch-collateral', 'ask Intel and NVIDIA')
    .option('--json', 'print the rows as one JSON document')
    .action(async (url: string, options: SmokeOptions) => {
      process.exit(await smoke(url, options))
    })

  program
    .command('tls')
    .description('the TLS key of the running service')
    .command('csr')
    .description('ask it for a certification request (PKCS #10, PEM), to be given to an authority')
    .option('--domain <name>', 'host name; may be repeated', collect)
    .option(
      '--from <url>',
      `its listener for health and metrics (default ${DEFAULT_OPERATIONS_URL})`,
    )
    .option('--out <file>', 'write it there in place of standard output')
    .action(async (options: TlsCsrOptions) => {
      process.exit(await tlsCsr(options))
    })
}
