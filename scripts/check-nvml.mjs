// What the GPU driver of this machine says, through the same process and calls as the service uses, as one JSON document.
//
//   npm run check:nvml            on a machine with an NVIDIA GPU
//   node scripts/check-nvml.mjs   after a build; needs dist/ and node_modules/{koffi,@koromix,node-forge} alone
//
// Exit codes: 0 evidence of every GPU was collected; 10 the driver works and the machine is not fit to attest (outside
// confidential-computing mode: nvml_cc_off); 20 there is no driver, library, GPU or binding to ask; 1 anything else.
import { createHash, randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { checkCcMode } from '../dist/attestation/attester/nvml/check-cc-mode.js'
import { findNvmlLibrary } from '../dist/attestation/attester/nvml/find-nvml-library.js'
import { startNvmlProcess } from '../dist/attestation/attester/nvml/nvml-client.js'
import { NVML_CALLS } from '../dist/attestation/attester/nvml/nvml-calls.js'
import { NvmlError } from '../dist/attestation/attester/nvml/nvml-error.js'
import { openNvml } from '../dist/attestation/attester/nvml/open-nvml.js'

const CALL_MS = 10_000
const INIT_MS = 30_000
const UNFIT = [
  'nvml_cc_off',
  'nvml_devtools_on',
  'nvml_simulated_environment',
  'nvml_architecture_unknown',
  'nvml_not_supported',
]
const ABSENT = [
  'nvml_library_absent',
  'nvml_library_unloadable',
  'nvml_binding_missing',
  'nvml_driver_not_loaded',
]

/** Names the hardware to nobody, and stays the same between runs. */
const short = (text) => `sha256:${createHash('sha256').update(text).digest('hex').slice(0, 16)}`

/** Return code and first bytes of each call, before anything is made of them. */
async function rawCalls(library) {
  const client = startNvmlProcess()
  const rows = []
  const ask = async (name, options = {}) => {
    const started = performance.now()
    const where = {
      function: NVML_CALLS[name].symbol,
      ...(options.device === undefined ? {} : { gpu: options.device }),
    }
    try {
      const { code, out } = await client.call(name, { deadlineMs: CALL_MS, ...options })
      const ms = Math.round(performance.now() - started)
      const shown = name === 'uuid' ? short(out) : Buffer.from(out).subarray(0, 48).toString('hex')
      rows.push({ ...where, returned: code, ms, ...(code === 0 ? { out: shown } : {}) })
      return code === 0 ? Buffer.from(out) : null
    } catch (error) {
      if (!(error instanceof NvmlError)) throw error
      rows.push({ ...where, failed: error.code })
      return null
    }
  }
  try {
    await client.open(library, INIT_MS)
    await ask('init', { deadlineMs: INIT_MS })
    for (const name of ['driver', 'state', 'settings', 'ready']) await ask(name)
    const count = (await ask('count'))?.readUInt32LE() ?? 0
    for (let device = 0; device < count; device++) {
      rows.push({
        function: 'nvmlDeviceGetHandleByIndex_v2',
        gpu: device,
        returned: await client.device(device, CALL_MS),
      })
      for (const name of ['architecture', 'vbios', 'uuid', 'certificate'])
        await ask(name, { device })
      await ask('report', { device, nonce: randomBytes(32) })
    }
    await ask('shutdown')
  } finally {
    client.kill()
  }
  return rows
}

function tell(error) {
  if (!(error instanceof NvmlError)) throw error
  return { code: error.code, message: error.message }
}

function withoutNames(facts) {
  const devices = facts.devices.map((device) => ({
    ...device,
    uuid: device.uuid.ok ? { ok: true, value: short(device.uuid.value) } : device.uuid,
  }))
  return { ...facts, devices }
}

const report = { node: process.version, at: new Date().toISOString(), library: findNvmlLibrary() }
let exitCode = 1
try {
  if (report.library !== null) report.calls = await rawCalls(report.library)
  const probe = openNvml({ required: 0, retryPauseMs: 0 })
  const facts = await probe.facts()
  await probe.close()
  report.facts = withoutNames(facts)
  if (facts.ccState.ok && facts.ccSettings.ok) {
    report.mode = checkCcMode(facts.ccState.value, facts.ccSettings.value) ?? 'fit to attest'
  }
  const source = openNvml({ required: facts.count.ok ? facts.count.value : 0 })
  const started = performance.now()
  try {
    const evidence = await source.collect(randomBytes(32))
    report.evidence = {
      gpus: evidence.length,
      ms: Math.round(performance.now() - started),
      bytes: evidence.map((one) => Buffer.from(one.evidence, 'base64').length),
    }
    exitCode = evidence.length > 0 ? 0 : 20
  } finally {
    await source.close()
  }
} catch (error) {
  report.refused = tell(error)
  if (UNFIT.includes(error.code)) exitCode = 10
  if (ABSENT.includes(error.code)) exitCode = 20
}
console.log(JSON.stringify(report, null, 2))
process.exitCode = exitCode
