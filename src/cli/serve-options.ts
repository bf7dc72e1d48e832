/**
 * The flags that say how a node is to serve: of `serve`, and of `doctor`, which looks at the same node.
 *
 * @module
 */
import type { Command } from 'commander'
import { collect } from './collect.ts'

export function addServeOptions(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file (JSON)')
    .option(
      '--listen <host:port>',
      'address for plain HTTP (default 127.0.0.1:8080; without TLS alone)',
    )
    .option('--tls <host:port>', 'address for TLS that ends on a key of the keyset (docs/tls.md)')
    .option('--tls-names <a,b>', 'host names of the self-signed certificate')
    .option('--tls-certificate <file>', 'chain of an authority for that key, read when it changes')
    .option('--tls-key <source>', 'boot (default), or agent: with an RA-TLS certificate of dstack')
    .option(
      '--upstream <[name=]url>',
      'model server: unix:/path.sock or http://address:port',
      collect,
    )
    .option('--require-gpu <n>', 'GPUs the machine must have and attest')
    .option('--require-nvswitches <n>', 'NVSwitches that must attest beside them (with --nvattest)')
    .option('--nvattest <path>', "NVIDIA's collector, in place of the driver's library")
    .option('--address-key <source>', 'derived, sealed or ephemeral (docs/keys.md)')
    .option(
      '--address-key-dir <dir>',
      'where a sealed address key is kept (default /var/lib/countersign)',
    )
    .option(
      '--expect-address <0x…>',
      'refuse to serve under any other address, and to make a sealed key anew',
    )
    .option(
      '--weights <dir>',
      'folder of the model, hashed at start into the attested configuration',
    )
    .option('--allow-remote-upstream', 'permit upstreams outside this machine (attested)')
    .option('--metrics <host:port>', 'where health and metrics are served (default 127.0.0.1:9464)')
    .option('--no-metrics', 'do not serve them')
    .option('--store <folder>', 'keep receipts on disk, sealed; in memory without it')
    .option(
      '--store-durability <choice>',
      'group (default): an answer ends when its receipt was flushed; async: before',
    )
    .option('--store-days <n>', 'days that receipts are kept (default 30)')
    .option(
      '--shared-store <url>',
      'where replicas of the app find them: rediss://[user@]host[:port], beside --store',
    )
    .option('--shared-store-ca <file>', 'authorities for the certificate of the shared store (PEM)')
    .option(
      '--log-name <name>',
      'by which verifiers remember the log (default countersign); another one for each node',
    )
    .option('--log-interval <ms>', 'from one published head of it to the next (default 60000)')
    .option(
      '--tapp-app-id <id>',
      "the machine was started by 0G's TAPP, and this app under this id",
    )
    .option('--tapp-socket <path>', 'with --simulate: a TAPP that is simulated elsewhere')
    .option('--simulate', 'run without a confidential VM; proves nothing')
    .option(
      '--simulate-gpus <n>',
      'with --simulate: how many GPUs are made up, to see what another number than is required does',
    )
    .option('--compose <file>', 'with --simulate: the compose text that the simulated guest runs')
}
