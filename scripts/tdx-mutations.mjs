// Seeded mutations of TDX evidence for scripts/fuzz-tdx.mjs. They know the shape of what they change: length fields, certificates
// inside PEM, signed JSON inside JSON strings, so that what is tried gets past the first check.

/** mulberry32: small, seeded, good enough to choose mutations. */
export function createRandom(seed) {
  let state = seed >>> 0
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (count) => Math.floor(random() * count)
  return { below, pick: (list) => list[below(list.length)] }
}

const NUMBERS = [
  0,
  1,
  -1,
  2,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 53,
  1e308,
  0.5,
]
const TEXTS = [
  '',
  '0',
  '00',
  'ff',
  'TDX',
  'UpToDate',
  '\0',
  '\ud800',
  'x'.repeat(5000),
  '[',
  '"',
  '\u202e',
  '__proto__',
]
const MAX_BYTES = 40_000

export function createMutations(seed) {
  const { below, pick } = createRandom(seed)

  /** One change of bytes that have no shape. */
  function plain(bytes, other) {
    const at = below(bytes.length + 1)
    const to = Math.min(bytes.length, at + 1 + below(pick([1, 4, 64, 600])))
    const number = pick(NUMBERS) >>> 0
    const u32 = Buffer.alloc(4)
    u32.writeUInt32LE(number)
    const parts = pick([
      () => [
        bytes.subarray(0, at),
        Buffer.of((bytes[at] ?? 0) ^ (1 << below(8))),
        bytes.subarray(at + 1),
      ],
      () => [bytes.subarray(0, at), Buffer.of(below(256)), bytes.subarray(at + 1)],
      () => [bytes.subarray(0, at), u32.subarray(0, pick([1, 2, 4])), bytes.subarray(at)],
      () => [bytes.subarray(0, at), u32, bytes.subarray(at + 4)],
      () => [bytes.subarray(0, at), bytes.subarray(to)],
      () => [bytes.subarray(0, to), bytes.subarray(at)],
      () => [bytes.subarray(0, at)],
      () => [bytes, Buffer.alloc(below(2000), pick([0, 0, 1, 0xff]))],
      () => [bytes.subarray(0, at), other.subarray(at, to), bytes.subarray(to)],
      () => [bytes.subarray(0, at), other.subarray(at)],
    ])()
    return Buffer.concat(parts).subarray(0, MAX_BYTES)
  }

  /** DER: a length or tag byte becomes another one; lengths around it stay wrong, or deep nesting is put in. */
  function der(bytes, other) {
    const at = below(Math.max(1, bytes.length - 2))
    const nested = Buffer.from('3080'.repeat(below(200)), 'hex')
    return pick([
      () => plain(bytes, other),
      () =>
        Buffer.concat([
          bytes.subarray(0, at),
          Buffer.of(pick([0x30, 0x31, 0x02, 0x03, 0x04, 0x05, 0x06, 0x1f, 0x80, 0xa0, 0xff])),
          bytes.subarray(at + 1),
        ]),
      () =>
        Buffer.concat([
          bytes.subarray(0, at),
          Buffer.of(pick([0x80, 0x81, 0x82, 0x84, 0x88, 0xff])),
          bytes.subarray(at + 1),
        ]),
      () => Buffer.concat([bytes.subarray(0, at), nested, bytes.subarray(at)]),
    ])()
  }

  function pem(text, other) {
    const blocks = text.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\s*/g) ?? []
    if (blocks.length === 0 || below(4) === 0)
      return plain(Buffer.from(text), Buffer.from(other)).toString('latin1')
    const certificate = below(blocks.length)
    const shuffled = pick([
      () => blocks.toReversed(),
      () => blocks.toSpliced(certificate, 1),
      () => blocks.toSpliced(certificate, 0, pick(blocks)),
      () => {
        const body = Buffer.from(
          blocks[certificate].replaceAll(/-----[^-]+-----|\s/g, ''),
          'base64',
        )
        const lines =
          der(body, body)
            .toString('base64')
            .match(/.{1,64}/g) ?? []
        return blocks.with(
          certificate,
          `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
        )
      },
    ])()
    return shuffled.join('')
  }

  /** A quote: bytes, one of its length fields, or its chain with the lengths put right. */
  function quote(bytes, other) {
    if (bytes.length < 1300 || below(3) === 0) return plain(bytes, other)
    const auth = bytes.readUInt16LE(0) === 5 ? 54 + bytes.readUInt32LE(50) : 48 + 584
    if (auth + 600 > bytes.length) return plain(bytes, other)
    const qeAuth = auth + 4 + 582
    const inner = qeAuth + 2 + bytes.readUInt16LE(qeAuth)
    if (inner + 6 > bytes.length) return plain(bytes, other)
    const out = Buffer.from(bytes)
    const field = pick([
      0,
      2,
      4,
      48,
      50,
      auth,
      auth + 4 + 128,
      auth + 4 + 130,
      qeAuth,
      inner,
      inner + 2,
    ])
    if (below(2) === 0) {
      out.writeUInt16LE(pick(NUMBERS) & 0xffff, field)
      return out
    }
    const chain = Buffer.from(pem(bytes.subarray(inner + 6).toString('latin1'), ''), 'latin1')
    const whole = Buffer.concat([out.subarray(0, inner + 6), chain])
    whole.writeUInt32LE(whole.length - auth - 4, auth)
    whole.writeUInt32LE(whole.length - auth - 4 - 134, auth + 4 + 130)
    whole.writeUInt32LE(chain.length, inner + 2)
    return whole
  }

  /** One value anywhere in a JSON document exchanged, dropped or doubled. */
  function value(document) {
    if (document === null || typeof document !== 'object' || below(8) === 0) {
      return pick([
        () => pick(NUMBERS),
        () => pick(TEXTS),
        () => null,
        () => true,
        () => [],
        () => ({}),
        () => [document, document],
        () => Array(below(5000)).fill(document),
      ])()
    }
    const names = Object.keys(document)
    if (names.length === 0) return pick(NUMBERS)
    const name = pick(names)
    const copy = Array.isArray(document) ? [...document] : { ...document }
    const action = below(6)
    if (action === 0) {
      if (Array.isArray(copy)) copy.splice(Number(name), 1)
      else delete copy[name]
    } else if (action === 1 && Array.isArray(copy)) copy.push(copy[Number(name)])
    else if (action === 2 && typeof copy[name] === 'string')
      copy[name] = plain(Buffer.from(copy[name]), Buffer.from(pick(TEXTS))).toString('latin1')
    else copy[name] = value(copy[name])
    return copy
  }

  /** JSON text: by its values, or by its characters. */
  function json(text, other) {
    if (below(3) > 0) {
      try {
        return JSON.stringify(value(JSON.parse(text)))
      } catch {
        // Not JSON any more: changed as text.
      }
    }
    return plain(Buffer.from(text), Buffer.from(other)).toString(pick(['utf8', 'latin1']))
  }

  const hex = (text, change, other) =>
    change(Buffer.from(text, 'hex'), Buffer.from(other, 'hex')).toString('hex')

  /** One to three changes of a whole input document; parts may come from `other`. */
  function evidence(input, other) {
    let out = structuredClone(input)
    for (let i = below(3); i >= 0; i--) {
      const collateral =
        out.collateral !== null &&
        typeof out.collateral === 'object' &&
        !Array.isArray(out.collateral)
          ? out.collateral
          : null
      const from = other.collateral ?? {}
      const member = pick(Object.keys(collateral ?? { none: '' }))
      const text = collateral?.[member]
      pick([
        () =>
          (out.quote =
            typeof out.quote === 'string' ? hex(out.quote, quote, String(other.quote)) : out.quote),
        () =>
          (out.quote =
            typeof out.quote === 'string' ? hex(out.quote, quote, String(other.quote)) : out.quote),
        () => (out.quote = other.quote),
        () => collateral !== null && (collateral[member] = from[member]),
        () => {
          if (typeof text !== 'string') return
          if (member.endsWith('chain')) collateral[member] = pem(text, String(from[member]))
          else if (member.endsWith('crl')) collateral[member] = hex(text, der, String(from[member]))
          else collateral[member] = json(text, String(from[member]))
        },
        () =>
          out.event_log !== undefined &&
          (out.event_log = json(String(out.event_log), String(other.event_log))),
        () => out.event_log !== undefined && (out.event_log = other.event_log ?? null),
        () =>
          out.app_compose !== undefined && (out.app_compose = json(String(out.app_compose), '{}')),
        () => out.vm_config !== undefined && (out.vm_config = json(String(out.vm_config), '{}')),
        () => (out.at = pick([other.at, ...NUMBERS, 1_793_491_200 + 86_400 * below(60)])),
        () => (out = value(out)),
      ])()
      if (out === null || typeof out !== 'object' || Array.isArray(out)) return out
    }
    return out
  }

  return { below, pick, plain, der, pem, quote, json, evidence, value }
}
