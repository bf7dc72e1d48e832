/**
 * The names in a multipart form (RFC 7578), and its model. The values of other parts, files above all, are passed over.
 *
 * Strict where readers differ, so that the model server cannot find a part here that this reader does not: one boundary, CRLF
 * alone, nothing before the first part or after the last, a quoted name without escapes for each part.
 *
 * @module
 */

/** Parts of one form. */
export const MAX_PARTS = 256
/** Bytes of the headers of one part. */
export const MAX_PART_HEADER_BYTES = 4096
/** Bytes of a model's name. */
const MAX_MODEL_BYTES = 1024

export type FormResult =
  | {
      readonly ok: true
      /** In order; one for each part. */
      readonly names: readonly string[]
      readonly model: string | null
    }
  | { readonly ok: false; readonly why: 'malformed' | 'model_twice' }

const MALFORMED: FormResult = { ok: false, why: 'malformed' }

/** RFC 2046 §5.1.1, without the space, and unquoted without the characters that would have to be quoted. */
const CONTENT_TYPE =
  /^multipart\/form-data *; *boundary=(?:"([0-9A-Za-z'()+_,./:=?-]{1,70})"|([0-9A-Za-z'+_.-]{1,70}))$/i
const DISPOSITION =
  /^content-disposition: *form-data; *name="([^"\\\u0000-\u001f\u007f]*)"(?:; *filename="[^"\\\u0000-\u001f\u007f]*")?$/i
/** A part's other headers say how its value is to be taken, not whose it is. */
const OTHER_HEADER =
  /^(?:content-type|content-length|content-transfer-encoding): *[\u0020-\u007e]*$/i

const CRLF = '\r\n'
const HEADER_END = Buffer.from('\r\n\r\n')

/** @returns the name of a part, null where its headers are not those of a form */
function nameOf(header: string): string | null {
  const lines = header.split(CRLF)
  const dispositions = lines.flatMap((line) => {
    const [, name] = DISPOSITION.exec(line) ?? []
    return name === undefined ? [] : [name]
  })
  const others = lines.filter((line) => OTHER_HEADER.test(line))
  const [name] = dispositions
  if (name === undefined || dispositions.length !== 1) return null
  return dispositions.length + others.length === lines.length ? name : null
}

export function readForm(body: Buffer, contentType: string): FormResult {
  const [, quoted, plain] = CONTENT_TYPE.exec(contentType) ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) return MALFORMED
  const delimiter = Buffer.from(`${CRLF}--${boundary}`)
  const names: string[] = []
  let model: string | null = null
  // The first delimiter has no line before it.
  if (!body.subarray(0, delimiter.length - 2).equals(delimiter.subarray(2))) return MALFORMED
  let at = delimiter.length - 2
  for (;;) {
    const after = body.toString('latin1', at, at + 2)
    if (after === '--') break
    if (after !== CRLF || names.length >= MAX_PARTS) return MALFORMED
    const start = at + 2
    const headerEnd = body.indexOf(HEADER_END, start)
    if (headerEnd === -1 || headerEnd - start > MAX_PART_HEADER_BYTES) return MALFORMED
    const name = nameOf(body.toString('utf8', start, headerEnd))
    const valueStart = headerEnd + HEADER_END.length
    // A value may be empty: its delimiter then begins with the line end of the headers.
    const valueEnd = body.indexOf(delimiter, valueStart - 2)
    if (name === null || valueEnd === -1) return MALFORMED
    if (name === 'model') {
      if (model !== null) return { ok: false, why: 'model_twice' }
      if (valueEnd - valueStart > MAX_MODEL_BYTES) return MALFORMED
      model = body.toString('utf8', valueStart, Math.max(valueStart, valueEnd))
    }
    names.push(name)
    at = valueEnd + delimiter.length
  }
  const rest = body.toString('latin1', at + 2, at + 5)
  return rest === '' || rest === CRLF ? { ok: true, names, model } : MALFORMED
}
