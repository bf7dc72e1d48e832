/**
 * Under TAPP no key survives a boot, so an address that the configuration calls anything but ephemeral is none of this machine's.
 *
 * @module
 */
import { isJsonObject } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { fail, pass } from '../check.ts'
import type { Check } from '../check.ts'

const PROVES = 'The address is one of this boot alone, as any is that TAPP’s machines can have.'

export function addressCheck(config: JsonObject): Check {
  const id = 'tapp.address'
  const key = config['address_key']
  return isJsonObject(key) && key['source'] === 'ephemeral'
    ? pass(id, PROVES)
    : fail(id, 'address_not_ephemeral', PROVES)
}
