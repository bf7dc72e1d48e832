/**
 * A reader of RFC 8949 for what a JSON document becomes: definite lengths, integers, floats, texts, arrays, maps with
 * text keys, false, true, null. Anything else is refused, tags and indefinite lengths among it.
 */
export function readCbor(bytes: Buffer): unknown {
  let at = 0
  const length = (info: number): number => {
    if (info < 24) return info
    const size = { 24: 1, 25: 2, 26: 4 }[info]
    if (size === undefined) throw new Error(`additional information ${String(info)}`)
    at += size
    return bytes.readUIntBE(at - size, size)
  }
  const item = (): unknown => {
    const first = bytes.readUInt8(at++)
    const [major, info] = [first >> 5, first & 31]
    if (major === 7) {
      if (info === 20 || info === 21) return info === 21
      if (info === 22) return null
      if (info !== 27) throw new Error(`simple value ${String(info)}`)
      at += 8
      return bytes.readDoubleBE(at - 8)
    }
    const count = length(info)
    if (major === 0) return count
    if (major === 1) return -1 - count
    if (major === 3) {
      at += count
      return bytes.subarray(at - count, at).toString('utf8')
    }
    if (major === 4) return Array.from({ length: count }, item)
    if (major !== 5) throw new Error(`major type ${String(major)}`)
    const map: Record<string, unknown> = {}
    for (let i = 0; i < count; i++) {
      const key = item()
      if (typeof key !== 'string' || key in map) throw new Error('a key is no text, or repeats')
      map[key] = item()
    }
    return map
  }
  const value = item()
  if (at !== bytes.length) throw new Error('bytes after the item')
  return value
}
