/**
 * Whether the images of a compose text are named by their content. Only then is it known what ran in a start that failed: TAPP
 * names the images of those that succeeded alone, and a tag may have led to another image then.
 *
 * @module
 */
import { isJsonObject, parseJsonText } from '../../protocol/json.ts'

const BY_DIGEST = /@sha256:[0-9a-f]{64}$/

/** Never throws. @param normal the compose text's values as JSON, as TAPP hashes them */
export function pinsImages(normal: string): boolean {
  const parsed = parseJsonText(normal)
  if (!parsed.ok || !isJsonObject(parsed.value)) return false
  const { services } = parsed.value
  // Services of another file are none that this text names.
  if (!isJsonObject(services) || 'include' in parsed.value) return false
  return Object.values(services).every((service) => {
    if (!isJsonObject(service) || 'build' in service || 'extends' in service) return false
    const { image } = service
    return typeof image === 'string' && BY_DIGEST.test(image)
  })
}
