/**
 * Commands that keep evidence.
 *
 * @module
 */
import type { Command } from 'commander'
import { collect } from './collect.ts'
import { evidenceSave } from './evidence-save.ts'
import type { EvidenceSaveOptions } from './evidence-save.ts'

export function addEvidenceCommands(program: Command): void {
  const evidence = program
    .command('evidence')
    .description('what a service shows, kept to be judged when it is gone')
  evidence
    .command('save')
    .description(
      'fetch the attestation document and receipts into one file, which verify judges offline; what is saved is not judged',
    )
    .argument('<url>', 'base URL of the service, or of a broker’s /v1/proxy')
    .option('--receipt <id>', 'a receipt to keep; may be repeated', collect)
    .option('--request <file>', 'with one receipt: the exact request body')
    .option('--response <file>', 'with one receipt: the exact response body')
    .option(
      '--opening <hex>',
      'with one receipt: verdict.opening, or X-Countersign-Opening of the answer; where another owns the receipt (an owner secret), the service gives a view without it',
    )
    .option('--cose', 'keep receipts as COSE_Sign1 too, which their boot alone can sign')
    .option(
      '--wait',
      'with --receipt: until a published head of the log covers it (three minutes at most), so that the proof is in the file',
    )
    .option('--out <file>', 'a file that does not exist yet (default: standard output)')
    .option(
      '--token-env <name>',
      'variable that holds the bearer token (default COUNTERSIGN_TOKEN)',
    )
    .option(
      '--owner-secret-env <name>',
      'variable that holds the secret behind X-Countersign-Owner, base64url',
    )
    .option(
      '--fetch-collateral',
      'ask Intel for collateral, and NVIDIA where there are GPUs: they learn which processor family and which GPUs you verify',
    )
    .option('--collateral <file|dir>', "Intel's collateral, as for verify")
    .option('--gpu-collateral <file|dir>', "NVIDIA's, as for verify")
    .option(
      '--policy <file|name>',
      'with --receipt, how the service must be attested before a token goes over a certificate that nobody vouches for (default relying-party)',
    )
    .option('--roots <file>', 'roots of a simulation, of which a copy is kept beside --out')
    .option(
      '--allow-simulated',
      'over TLS that nobody vouches for, show a token to a simulation too',
    )
    .option('--channel <channel>', 'as for verify')
    .option('--pccs <url>', 'as for verify')
    .option('--rim-url <url>', 'as for verify')
    .option('--ocsp-url <url>', 'as for verify')
    .option('--proxy <url|none>', 'as for verify')
    .option('--tls-ca <file>', 'as for verify')
    .action(async (url: string, options: EvidenceSaveOptions) => {
      await evidenceSave(url, options)
      process.exit(0)
    })
}
