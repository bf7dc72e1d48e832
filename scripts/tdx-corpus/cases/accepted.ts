/**
 * Evidence that a verifier must accept: every version, body, status, margin and form that the documents allow. A verifier that refuses
 * these locks out honest machines.
 *
 * @module
 */
import type { Document, TextChange } from '../collateral.ts'
import { instant, ISSUED, listOf, makeCollateral, NEXT, toHex } from '../collateral.ts'
import {
  APP_ID,
  COMPOSE_HASH,
  configId,
  configIdV2,
  configIdV3,
  FACTS,
  factsWith,
  guest,
  INSTANCE_ID,
  keyProvider,
  PROVIDER_ID,
  registersOf,
  text,
} from '../guest.ts'
import type { Fact, GuestCase } from '../guest.ts'
import { keyOf, seeded } from '../keys.ts'
import {
  AT,
  DAY,
  issuePck,
  issuePlatformCa,
  issueSigner,
  PCK,
  pemOf,
  PLATFORM,
  PLATFORM_CA,
  ROOT,
  STRANGER_ROOT,
} from '../pki.ts'
import { BODY, bytes, join, makeQuote, MRTD, PCK_PEM, QE, u16 } from '../quote.ts'
import type { QuoteParts } from '../quote.ts'
import { accepted } from '../vector.ts'
import type { Evidence, Vector } from '../vector.ts'
import { kebab, STATUSES } from './tcb.ts'

const tdx = (policy: object): { policy: object } => ({ policy: { tdx: policy } })
const edit = (change: (document: Document) => void): TextChange => ({ edit: change })

function padded(length: number): Uint8Array {
  const out = new Uint8Array(length)
  out.set(makeQuote())
  return out
}

function layouts(): Vector[] {
  const quote = (id: string, title: string, value: Uint8Array | QuoteParts): Vector =>
    accepted(`ok-${id}`, title, { quote: value })
  return [
    quote('v4', 'version 4, TD 1.0', {}),
    quote('v5-td10', 'version 5, TD 1.0', { version: 5, body: 'td10' }),
    quote('v5-td15', 'version 5, TD 1.5', { version: 5, body: 'td15' }),
    quote('padded-by-one', 'one zero byte behind the quote', join(makeQuote(), bytes('00'))),
    quote('padded-to-8000', 'zero padding as the quoting service leaves it', padded(8000)),
    quote('qe-auth-empty', 'no authentication data', { qeAuth: new Uint8Array(0) }),
    quote('qe-auth-one', 'authentication data of one byte', { qeAuth: bytes('01') }),
    quote('qe-auth-64', 'authentication data of 64 bytes', { qeAuth: new Uint8Array(64).fill(7) }),
    quote('qe-auth-1000', 'authentication data of 1000 bytes', {
      qeAuth: new Uint8Array(1000).fill(7),
    }),
    quote('pem-with-nul', 'a chain that ends in NUL, as Intel’s library writes it', {
      pem: `${PCK_PEM}\0`,
    }),
    quote('pem-with-crlf', 'a chain with CR LF', { pem: PCK_PEM.replaceAll('\n', '\r\n') }),
    quote('pem-without-last-line-end', 'a chain without its last line end', {
      pem: PCK_PEM.trimEnd(),
    }),
    quote('header-user-data', 'user data and SVNs in the header', {
      putHeader: { 8: u16(7), 10: u16(9), 28: new Uint8Array(20).fill(0xee) },
    }),
    quote('report-data-zero', 'no report data', { put: { [BODY.reportData]: new Uint8Array(64) } }),
    quote('xfam-minimal', 'x87 and SSE alone', { put: { [BODY.xfam]: bytes('0300000000000000') } }),
    quote('qe-newer', 'a quoting enclave newer than the list', { putQe: { [QE.isvSvn]: u16(99) } }),
    quote(
      'qe-attribute-masked-out',
      'an attribute of the quoting enclave that the identity masks out',
      { putQe: { [QE.attributes]: bytes('1500000000000000ffff000000000000') } },
    ),
    quote('module-newer', 'a module newer than the list', {
      put: { [BODY.teeTcbSvn]: bytes('ff01040000000000') },
    }),
  ]
}

function statuses(): Vector[] {
  const advisories = ['INTEL-SA-00000']
  const relaunch: QuoteParts = {
    version: 5,
    body: 'td15',
    put: { [BODY.teeTcbSvn]: bytes('0201040000000000') },
  }
  const topLevel =
    (name: string, value: unknown) =>
    (document: Document): void => {
      const [level] = listOf(document, 'tcbLevels')
      if (level !== undefined) level[name] = value
    }
  return [
    ...STATUSES.map((tcbStatus) =>
      accepted(
        `ok-status-${kebab(tcbStatus)}`,
        `${tcbStatus}, which the policy accepts with its advisory`,
        {
          collateral: { tcbStatus },
          ...tdx({ acceptedStatuses: ['UpToDate', tcbStatus], acceptedAdvisories: advisories }),
        },
      ),
    ),
    accepted(
      'ok-status-relaunch-advised',
      'a TD that started under an outdated module, which the policy accepts',
      {
        quote: relaunch,
        collateral: { oldLevels: true },
        ...tdx({ acceptedStatuses: ['TDRelaunchAdvised'], acceptedAdvisories: null }),
      },
    ),
    accepted(
      'ok-status-relaunch-advised-configuration-needed',
      'the same on a platform that needs configuration',
      {
        quote: relaunch,
        collateral: { oldLevels: true, tcbStatus: 'ConfigurationNeeded' },
        ...tdx({
          acceptedStatuses: ['TDRelaunchAdvisedConfigurationNeeded'],
          acceptedAdvisories: null,
        }),
      },
    ),
    accepted(
      'ok-status-of-quoting-enclave',
      'the quoting enclave needs configuration, which the policy accepts',
      {
        collateral: { qeIdentity: edit(topLevel('tcbStatus', 'ConfigurationNeeded')) },
        ...tdx({ acceptedStatuses: ['ConfigurationNeeded'] }),
      },
    ),
    accepted('ok-advisory-named', 'UpToDate with two advisories that the policy names', {
      collateral: { tcbInfo: edit(topLevel('advisoryIDs', ['INTEL-SA-00837', 'INTEL-SA-00960'])) },
      ...tdx({ acceptedAdvisories: ['INTEL-SA-00960', 'INTEL-SA-00837', 'INTEL-SA-00001'] }),
    }),
    accepted('ok-advisory-any', 'UpToDate with an advisory where the policy accepts any', {
      collateral: { tcbInfo: edit(topLevel('advisoryIDs', ['INTEL-SA-00837'])) },
      ...tdx({ acceptedAdvisories: null }),
    }),
  ]
}

function levels(): Vector[] {
  const tcbOf = (document: Document): Document =>
    (listOf(document, 'tcbLevels')[0]?.['tcb'] ?? {}) as Document
  const exact = edit((document) => {
    const tcb = tcbOf(document)
    tcb['pcesvn'] = PLATFORM.pceSvn
    tcb['sgxtcbcomponents'] = PLATFORM.components.map((svn) => ({ svn }))
    tcb['tdxtcbcomponents'] = [...PLATFORM.teeTcbSvn].map((svn) => ({ svn }))
  })
  return [
    accepted('ok-level-exact', 'every component is exactly what the level asks for', {
      collateral: { tcbInfo: exact },
    }),
    accepted(
      'ok-level-module-bytes-apart',
      'the first two TDX components are the module’s own from version 1 on and are not compared',
      {
        collateral: {
          tcbInfo: edit((document) => {
            const list = listOf(tcbOf(document), 'tdxtcbcomponents')
            list[0] = { svn: 200 }
            list[1] = { svn: 200 }
          }),
        },
      },
    ),
    accepted('ok-level-module-of-version-0', 'a module of version 0, which TCB info lists apart', {
      quote: { put: { [BODY.teeTcbSvn]: bytes('0900040000000000') } },
    }),
    accepted('ok-level-second', 'the platform reaches the second level, which the policy accepts', {
      collateral: {
        oldLevels: true,
        tcbInfo: edit((document) => {
          tcbOf(document)['pcesvn'] = 14
        }),
      },
      ...tdx({ acceptedStatuses: ['OutOfDate'], acceptedAdvisories: ['INTEL-SA-00000'] }),
    }),
    accepted('ok-tcb-info-unknown-members', 'members that Intel may add later', {
      collateral: {
        tcbInfo: edit((document) => {
          document['note'] = 'new'
          tcbOf(document)['more'] = [1]
        }),
      },
    }),
    accepted('ok-tcb-info-spaced', 'signed text with spaces and line ends', {
      collateral: { tcbInfo: pretty() },
    }),
    accepted('ok-tcb-info-lower-case-hex', 'hex in lower case', {
      collateral: {
        tcbInfo: edit((document) => {
          document['fmspc'] = String(document['fmspc']).toLowerCase()
        }),
      },
    }),
  ]
}

/** Signed as it is printed. */
function pretty(): TextChange {
  return { text: JSON.stringify(JSON.parse(makeCollateral().tcb_info), null, 2) }
}

function times(): Vector[] {
  const on = (id: string, title: string, evidence: Evidence): Vector =>
    accepted(`ok-time-${id}`, title, evidence)
  const list = { nextUpdate: AT + 365 * DAY }
  return [
    on('of-issue', 'the second in which everything was issued', { at: ISSUED }),
    on('of-next-update', 'the last second of everything', { at: NEXT }),
    on('last-of-certificate', 'the last second of the PCK certificate', {
      quote: { pem: pemOf(issuePck(PLATFORM_CA, { notAfter: AT }), PLATFORM_CA, ROOT) },
    }),
    on('first-of-certificate', 'the first second of the PCK certificate', {
      quote: { pem: pemOf(issuePck(PLATFORM_CA, { notBefore: AT }), PLATFORM_CA, ROOT) },
    }),
    on('grace-for-all', 'everything a day late, where two are granted', {
      at: NEXT + DAY,
      ...tdx({ collateralGraceS: 2 * DAY }),
    }),
    on('grace-to-the-second', 'TCB info late by exactly what is granted', {
      collateral: {
        tcbInfo: edit((document) => {
          document['nextUpdate'] = instant(AT - DAY)
        }),
        rootCrl: list,
        pckCrl: list,
      },
      ...tdx({ collateralGraceS: DAY }),
    }),
    on(
      'age-to-the-second',
      'collateral exactly as old as the policy accepts',
      tdx({ maxCollateralAgeS: AT - ISSUED }),
    ),
    on('root-list-of-last-year', 'an old list of the root, whose age counts for nothing', {
      collateral: { rootCrl: { thisUpdate: AT - 300 * DAY } },
      ...tdx({ maxCollateralAgeS: 7 * DAY }),
    }),
    on(
      'evaluation-floor',
      'the evaluation that the policy asks for',
      tdx({ minTcbEvaluationDataNumber: 18 }),
    ),
  ]
}

function chains(): Vector[] {
  const processor = issuePlatformCa(ROOT, {
    commonName: 'Simulated SGX PCK Processor CA',
    key: keyOf('processor CA'),
  })
  const pck = issuePck(processor)
  const second = issueSigner(ROOT, { key: keyOf('second signer'), serial: seeded('second', 16) })
  const others = [1, 2, 3].map((index) => seeded(`revoked ${index}`, 16))
  return [
    accepted('ok-chain-processor-ca', 'a platform under Intel’s other authority', {
      quote: { pem: pemOf(pck, processor, ROOT), qeSigner: pck.key },
      collateral: { platformCa: processor },
    }),
    accepted('ok-chain-two-signers', 'TCB info and QE identity of two signers', {
      collateral: { qeIdentity: { signer: second.key, chain: pemOf(second, ROOT) } },
    }),
    accepted('ok-chain-two-roots', 'two roots are accepted, all stands under one', {
      roots: [STRANGER_ROOT, ROOT],
    }),
    accepted('ok-crl-revokes-others', 'both lists revoke, but nobody who matters', {
      collateral: { rootCrl: { revoked: others }, pckCrl: { revoked: others } },
    }),
    accepted(
      'ok-crl-serial-in-other-list',
      'the list of the root names the serial of the PCK certificate, which another issuer gave',
      { collateral: { rootCrl: { revoked: [PCK.serial] } } },
    ),
    accepted(
      'ok-collateral-with-pck-chain',
      'newer collateral with a PCK chain, which the one in the quote overrides',
      { raw: extraChain() },
    ),
  ]
}

function extraChain(): object {
  return { collateral: { ...makeCollateral(), pck_certificate_chain: PCK_PEM } }
}

function policies(): Vector[] {
  const [fmspc, ppid] = [toHex(PLATFORM.fmspc), toHex(PLATFORM.ppid)]
  const image = {
    osImageHash: toHex(seeded('os image', 32)),
    mrtd: toHex(MRTD),
    rtmr0: ['33'.repeat(48), registersOf(0)],
    rtmr1: registersOf(1),
    rtmr2: registersOf(2),
  }
  const owner = 'ab'.repeat(48)
  const put = (offset: number): QuoteParts => ({ put: { [offset]: bytes(owner) } })
  return [
    accepted(
      'ok-policy-platform',
      'FMSPC and PPID are named',
      tdx({ fmspcs: ['b0c06f000000', fmspc], ppids: [ppid] }),
    ),
    accepted('ok-policy-debug', 'a TD under debug, which the policy allows by name', {
      quote: { put: { [BODY.tdAttributes]: bytes('0100001000000000') } },
      ...tdx({ allowDebug: true }),
    }),
    accepted('ok-policy-owner', 'an owner that the policy names', {
      quote: put(BODY.mrOwner),
      ...tdx({ mrOwners: [owner] }),
    }),
    accepted('ok-policy-owner-config', 'an owner configuration that the policy names', {
      quote: put(BODY.mrOwnerConfig),
      ...tdx({ mrOwnerConfigs: [owner] }),
    }),
    accepted('ok-policy-service-td', 'a service TD that the policy names', {
      quote: { version: 5, body: 'td15', ...put(BODY.mrServiceTd) },
      ...tdx({ serviceTds: [owner] }),
    }),
    accepted(
      'ok-policy-measurements',
      'all measurements are named',
      guest({
        policy: {
          tdx: {
            mrtds: [image.mrtd],
            rtmr0s: [registersOf(0)],
            rtmr1s: [registersOf(1)],
            rtmr2s: [registersOf(2)],
            rtmr3s: [registersOf(3)],
            mrConfigIds: [toHex(configId(1, COMPOSE_HASH))],
          },
        },
      }),
    ),
    accepted(
      'ok-policy-image',
      'reference values of the image, in the second of two shapes',
      guest({
        policy: { tdx: { images: [image] }, require: ['quote.image', 'vm_config.os_image'] },
      }),
    ),
    accepted(
      'ok-policy-software',
      'compose hash, app and key provider are named',
      guest({
        policy: {
          composeHashes: [toHex(COMPOSE_HASH)],
          appIds: [toHex(APP_ID)],
          keyProviderIds: [PROVIDER_ID],
          require: ['compose.hash'],
        },
      }),
    ),
  ]
}

function logs(): Vector[] {
  const hash = toHex(COMPOSE_HASH)
  const log = (id: string, title: string, change: GuestCase = {}): Vector =>
    accepted(`ok-log-${id}`, title, guest(change))
  const config = (
    id: string,
    title: string,
    value: Uint8Array,
    facts: readonly Fact[] = FACTS,
  ): Vector => accepted(`ok-config-id-${id}`, title, guest({ configId: value, facts }))
  const at = FACTS.findIndex(({ name }) => name === 'instance-id')
  const gpuPolicy = seeded('gpu policy', 32)
  const scripts = [seeded('script 1', 32), seeded('script 2', 32)]
  const newer = [
    ...FACTS.slice(0, at),
    ...scripts.map((payload) => ({ name: 'init-script-hash', payload })),
    { name: 'gpu-policy-hash', payload: gpuPolicy },
    ...FACTS.slice(at),
  ]
  const local = factsWith('key-provider', keyProvider('local-sgx', PROVIDER_ID).payload)
  const none = factsWith('key-provider', keyProvider('none', '').payload)
  const full =
    `{"app_id":"${toHex(APP_ID)}","compose_hash":"${hash}","gpu_policy_hash":"${toHex(gpuPolicy)}",` +
    `"init_script_hashes":[${scripts.map((one) => `"${toHex(one)}"`).join(',')}],"instance_id":"${toHex(INSTANCE_ID)}",` +
    `"key_provider":"kms","key_provider_id":"${PROVIDER_ID}","version":3}`
  return [
    log('with-digests', 'a log with all digests'),
    log('without-digests', 'a log without digests of RTMR3, as guests from 0.5.6 on give it', {
      tamper: (entries) =>
        entries.map((one) => ({ ...one, ...(one['imr'] === 3 ? { digest: '' } : {}) })),
    }),
    log('version-2', 'digests of version 2 with their preimages', { version: 2 }),
    log('version-2-without-preimages', 'digests of version 2 without preimages', {
      version: 2,
      tamper: (entries) => entries.map(({ preimage: _preimage, ...one }) => one),
    }),
    log('runtime-events-alone', 'a log of RTMR3 alone', {
      tamper: (entries) => entries.filter(({ imr }) => imr === 3),
    }),
    log(
      'app-events-behind',
      'events of the app behind system-ready, one of which calls itself app-id',
      {
        facts: [
          ...FACTS,
          { name: 'app-id', payload: text('evil') },
          { name: 'a:b', payload: text('c') },
          { name: 'compose-hash', payload: bytes('00') },
        ],
      },
    ),
    log('instance-id-empty', 'an app without instance id', {
      facts: factsWith('instance-id', bytes('')),
    }),
    log('spaced', 'a log with spaces and line ends', {
      eventLog: JSON.stringify(JSON.parse(guest().eventLog ?? ''), null, 1),
    }),
    log('without-compose-text', 'the compose text is not at hand', { appCompose: null }),
    config('zero', 'mr_config_id is not used', new Uint8Array(48)),
    config('v1', 'mr_config_id of version 1', configId(1, COMPOSE_HASH)),
    config('v2', 'mr_config_id of version 2, KMS', configIdV2(2, bytes(PROVIDER_ID))),
    config(
      'v2-provider-not-pinned',
      'mr_config_id of version 2 that pins a KMS but not which',
      configIdV2(2, bytes('')),
    ),
    config(
      'v2-local',
      'mr_config_id of version 2, local key provider',
      configIdV2(1, bytes(PROVIDER_ID)),
      local,
    ),
    config('v2-none', 'mr_config_id of version 2, no key provider', configIdV2(0, bytes('')), none),
    config(
      'v3-least',
      'mr_config_id of version 3 that pins as little as it may',
      configIdV3(`{"compose_hash":"${hash}","key_provider":"kms","version":3}`),
    ),
    config(
      'v3-app',
      'mr_config_id of version 3 that pins the app',
      configIdV3(
        `{"app_id":"${toHex(APP_ID)}","compose_hash":"${hash}","key_provider":"kms","version":3}`,
      ),
    ),
    config(
      'v3-local',
      'mr_config_id of version 3, local key provider',
      configIdV3(`{"compose_hash":"${hash}","key_provider":"local","version":3}`),
      local,
    ),
    config(
      'v3-all',
      'mr_config_id of version 3 that pins all that there is',
      configIdV3(full),
      newer,
    ),
  ]
}

export function acceptedCases(): Vector[] {
  return [
    ...layouts(),
    ...statuses(),
    ...levels(),
    ...times(),
    ...chains(),
    ...policies(),
    ...logs(),
  ]
}
