/**
 * TAPP as a source of CPU evidence: the app and its compose text are read once and held against what each quote measured.
 *
 * @module
 */
import { createHash, randomBytes } from 'node:crypto'
import { encodeBase64 } from '../../protocol/base64.ts'
import type { CpuEvidenceSource } from '../evidence-source.ts'
import { measureTapp } from './measure-tapp.ts'
import type { Tapp } from './open-tapp.ts'
import { signTappStatement } from './sign-tapp-statement.ts'
import type { SignDigest } from './sign-tapp-statement.ts'
import { TappError } from './tapp-error.ts'

/** Prefix of what the first quote is over, so that it can stand for nothing else. */
const START_PURPOSE = 'countersign.start.v1'
/** Nothing of dstack's `vm_config` is known of a machine of TAPP. */
const NO_VM_CONFIG = '{}'

export interface OpenedTappGuest {
  readonly cpu: CpuEvidenceSource
  /** Of the service. */
  readonly version: string
}

/**
 * @throws TappError where TAPP does not say what it runs, is too old, gives no key, or says other than what was measured
 */
export async function openTappGuest(tapp: Tapp, sign: SignDigest): Promise<OpenedTappGuest> {
  const version = await tapp.version()
  const app = await tapp.app()
  const { appId } = tapp
  let held = await tapp.secretKey()
  const nonce = createHash('sha512').update(START_PURPOSE).update(randomBytes(32)).digest()
  measureTapp(await tapp.evidence(nonce), appId, app)
  return {
    version,
    cpu: {
      facts: {
        platform: 'tapp',
        appId,
        instanceId: '',
        appCompose: app.composeText,
        keyProvider: null,
        tcbInfo: '',
        info: '',
      },
      async quote(data) {
        const evidence = await tapp.evidence(data)
        measureTapp(evidence, appId, app)
        const { quote, eventLog, runtimeData, signer } = evidence
        // A service of TAPP that was started anew derives other keys.
        if (held.address !== signer) held = await tapp.secretKey()
        if (held.address !== signer) throw new TappError('tapp_wrong_key', 'runtime_data.signer')
        const signature = signTappStatement(held.key, data, sign)
        return {
          quote,
          eventLog: encodeBase64(eventLog),
          vmConfig: NO_VM_CONFIG,
          tapp: { appId, runtimeData, signature },
        }
      },
    },
  }
}
