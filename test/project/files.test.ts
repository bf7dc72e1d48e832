import { basename, dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { projectFiles, readText, ROOT } from './source-tree.ts'

const FILES = projectFiles()

/** Files whose text nobody writes by hand. */
const GENERATED = new Set(['package-lock.json', 'test/vectors/protocol.json'])
/** Hex and signed texts; the words in them are those of their generator. */
const VECTOR = /^test\/vectors\/(?:(?:tdx|gpu|receipt)\/[^/]+\/|(?:content|tapp)\/[^/]+\.json$)/

const TEXTS = FILES.filter(
  (path) => !GENERATED.has(path) && !VECTOR.test(path) && path !== 'LICENSE',
).map((path) => ({ path, text: readText(path) }))

function linesWith(pattern: RegExp): string[] {
  return TEXTS.flatMap(({ path, text }) =>
    text
      .split('\n')
      .map((line, index) => ({ line, where: `${path}:${index + 1}` }))
      .filter(({ line }) => pattern.test(line))
      .map(({ where, line }) => `${where}: ${line.trim().slice(0, 120)}`),
  )
}

/** Built from parts, so that this file does not hold what it looks for. */
const word = (...parts: readonly string[]) => parts.join('')

/** Where a checkout may well lie, and a text may well name for another reason. */
const COMMON_FOLDERS = new Set([
  '/',
  '/app',
  '/home',
  '/mnt',
  '/opt',
  '/root',
  '/src',
  '/srv',
  '/tmp',
  '/usr/src',
  '/var',
])

describe('what no file of the project holds', () => {
  test('unfinished work', () => {
    const marks = [word('TO', 'DO'), word('FIX', 'ME'), word('HA', 'CK')].join('|')
    expect(linesWith(new RegExp(`\\b(?:${marks})\\b`))).toEqual([])
  })

  test('numbers of a tracker that a reader of the code cannot see', () => {
    // `owner/repository#12` and links name a tracker, as do the long numbers of large projects; a short bare one does not.
    const bare = /(?<!PKCS ?)(?<![\w/&]|\w#)#\d{1,2}\b(?!["'])/
    const named = /\b(?:issue|ticket|pull request|PR) (?:no\. ?)?#?\d{1,2}\b/i
    expect(linesWith(bare).filter((line) => !line.includes('](#'))).toEqual([])
    expect(linesWith(named)).toEqual([])
  })

  test('paths of the machine it was written on', () => {
    expect(linesWith(/\/(?:home|Users)\/\w[\w.-]*\/|[A-Z]:\\Users\\/)).toEqual([])
    const root = ROOT.replace(/\/$/, '')
    for (const folder of [root, dirname(root)]) {
      if (COMMON_FOLDERS.has(folder)) continue
      expect(
        TEXTS.filter(({ text }) => text.includes(`${folder}/`)).map(({ path }) => path),
        folder,
      ).toEqual([])
    }
  })

  test('a linter or compiler switched off', () => {
    const switches = [word('eslint-', 'disable'), word('@ts-', 'ignore'), word('@ts-', 'nocheck')]
    expect(linesWith(new RegExp(switches.join('|')))).toEqual([])
  })
})

/** Lines beyond which a file needs a reason. */
const LONG = 300

/** Every longer file and why it is not split. */
const REASONS: Readonly<Record<string, string>> = {
  'attestation/appraiser/receipt/verify-receipt.ts':
    'one list of steps in order of dependence: what a receipt proves is read from the top to the bottom',
  'test/appraiser/ratls.test.ts':
    'one catalogue of certificates that a stranger could make of one genuine one, by one builder',
  'test/appraiser/http-signature.test.ts':
    'one catalogue of signatures that were made for something else, over one good one',
  'test/appraiser/cose-receipt.test.ts':
    'one catalogue of messages that are rightly signed and spelled wrongly, over one good one',
  'test/protocol/vectors.test.ts': 'one table with a row for each kind of vector',
  'test/appraiser/report.test.ts':
    'one catalogue of forged reports, in which each kind is also shown as each other kind',
  'test/appraiser/document.test.ts':
    'one catalogue of forged documents over one genuine document, which is costly to make',
  'test/compose/sidecar-rows.helpers.ts': 'one table of sidecars that a compose text can have',
  'test/compose/refusals.helpers.ts':
    'one table of ways to spoil the shipped compose text, one row each',
  'test/cli/evidence.test.ts':
    'one machine and two of its boots, and every way in which files saved from them can be wrong',
  'test/cli/collateral.test.ts':
    'one running service stands behind all commands that ask for collateral',
  'test/collateral/gpu-collateral-client.test.ts':
    'one misbehaving service, every way in which its answers can be wrong and what is kept of them',
  'test/collateral/fetch-collateral.test.ts':
    'one misbehaving service, every way in which its answers can be wrong',
  'src/errors.ts': 'one table of every error that the service answers with',
  'src/relay/exchange.ts':
    'one exchange is one state machine; its endings have to be read together to see that each settles once',
  'attestation/protocol/chat-content.ts':
    'one accumulator for streamed and buffered answers; two files could come to differ in what they digest',
  'test/simulator/dstack-guest.test.ts':
    'one running agent serves all of its methods; the sections follow its interface',
  'test/doctor/doctor-command.test.ts':
    'The command over one node with its services; each part spoils another of them.',
  'test/doctor/doctor-guest.test.ts':
    'One case for each fault of the guest agent and of a key, over one node.',
  'test/doctor/doctor-surroundings.test.ts':
    'One case for each fault of upstreams, volumes, mounts and network, over one node.',
  'test/enclave/attestor.test.ts':
    'one machine that answers when it is told to, and every order of asking it',
  'test/demo/model-format.test.ts':
    'one table of the wire format, read beside the documentation of the format',
  'test/demo/broker.test.ts':
    'one running broker serves all sections; splitting would start it several times',
  'test/attester/nvml.test.ts':
    'one catalogue of what a driver can do wrong, over one compiled double of its library',
  'test/smoke/smoke-probes.test.ts':
    'one catalogue of what a node can answer wrongly, over one node whose answers are made up',
  'test/attester/tapp.test.ts':
    'one misbehaving service, every way in which its answers can be wrong',
  'test/attester/guest-agent.test.ts':
    'one misbehaving agent, every way in which an answer can be wrong',
  'test/enclave/sealed-key.test.ts':
    'one folder, and all that a volume, a crash or a stranger can do to it',
  'test/appraiser/gpu-attacks.test.ts':
    'one catalogue of attacks on GPU evidence, which shares its forged devices',
  'test/appraiser/ocsp-attacks.test.ts':
    'one catalogue of responses that no honest responder would give, over one hierarchy',
  'test/appraiser/rim-wrapping.test.ts':
    'one catalogue of what can be made of one genuine RIM without a key, one row each',
  'test/appraiser/rim-content.test.ts':
    'one catalogue of RIMs that are rightly signed and wrong in one thing, over one good one',
  'test/appraiser/gpu-recorded-evidence.test.ts':
    'every recorded device with its expected outcome, beside the table of them',
  'test/appraiser/gpu-report.test.ts': 'one table of malformed reports, offset by offset',
  'scripts/gpu-corpus/cases/accepted.ts':
    'one table of evidence that must be accepted, each row over the same good one',
  'scripts/gpu-corpus/cases/device-chain.ts':
    'one table of wrong chains, whose rows differ in one certificate each',
  'scripts/gpu-corpus/cases/machine.ts':
    'one table of machines put together wrongly, over the same good devices',
  'scripts/gpu-corpus/cases/nras.ts': 'one table of forged answers over one good answer',
  'scripts/gpu-corpus/cases/reports.ts': 'one table of broken reports, offset by offset',
  'scripts/gpu-corpus/cases/revocation.ts':
    'one table of wrong OCSP responses, put in the place of the same good ones',
  'scripts/gpu-corpus/cases/rim-form.ts': 'one table of tricks with XML and its signature',
  'scripts/gpu-corpus/cases/rim-trust.ts':
    'one table of files by the wrong signer or for the wrong firmware',
  'scripts/receipt-corpus/cases/heads.ts':
    'one table of heads before one memory, each row over the same three boots',
  'scripts/receipt-corpus/cases/streams.ts':
    'one table of streams that readers could take otherwise, each row over the same good one',
  'scripts/tdx-corpus/cases/accepted.ts':
    'one table of evidence that must be accepted, each row over the same good one',
  'scripts/tdx-corpus/cases/event-log.ts': 'one table of forged logs over one genuine log',
  'scripts/tdx-corpus/cases/pck-chain.ts':
    'one table of wrong chains, whose rows differ in one certificate each',
  'scripts/tdx-corpus/cases/revocation.ts':
    'one table of wrong revocation lists, put in the place of both lists',
  'scripts/tdx-corpus/cases/tcb.ts': 'one table of states of one platform under one signer',
  'test/appraiser/eventlog.test.ts': 'one catalogue of forged event logs over one genuine log',
}

describe('the shape of files', () => {
  test(`files over ${LONG} lines are listed with a reason, and the list has no others`, () => {
    const long = FILES.filter(
      (path) => path.endsWith('.ts') && readText(path).split('\n').length - 1 > LONG,
    )
    expect(Object.keys(REASONS).toSorted()).toEqual(long.toSorted())
    for (const reason of Object.values(REASONS)) expect(reason.length).toBeGreaterThan(20)
  })

  test('names are kebab-case', () => {
    const odd = FILES.filter((path) => /\.(?:ts|mjs)$/.test(path)).filter(
      (path) => !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9-]+)*$/.test(basename(path)),
    )
    expect(odd).toEqual([])
  })

  test('the licence is the whole Apache License 2.0 and nothing else', async () => {
    const { createHash } = await import('node:crypto')
    // The digest of the text as GitHub, the ESLint project and many others ship it.
    expect(createHash('sha256').update(readText('LICENSE')).digest('hex')).toBe(
      'c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4',
    )
  })
})
