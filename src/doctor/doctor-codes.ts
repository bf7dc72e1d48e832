/**
 * What `countersign doctor` can find, and the next action for each.
 *
 * @module
 */

/** `unknown` was not looked at, or could not be: never taken for `ok`. */
export type RowStatus = 'ok' | 'warn' | 'fail' | 'unknown'

/** Codes are stable; `docs/errors.md` is generated from this table. */
export const DOCTOR_CODES = Object.freeze({
  not_asked: {
    status: 'unknown',
    action: 'Nobody outside this machine was asked. Run it again with --fetch-collateral.',
  },
  not_reached: {
    status: 'unknown',
    action: 'An earlier row keeps this from being looked at. Mend that one and run it again.',
  },
  configuration_wrong: {
    status: 'fail',
    action: 'Correct the configuration as the text says; serve would refuse it, too.',
  },
  tokens_wrong: {
    status: 'fail',
    action: 'Set COUNTERSIGN_TOKENS to name:token, for a broker name:token:relay.',
  },
  tokens_without_relay: {
    status: 'warn',
    action:
      "Mark the broker's token as relay (name:token:relay); otherwise all of its users own one another's receipts.",
  },
  agent_socket_absent: {
    status: 'fail',
    action:
      'Mount /var/run/dstack.sock of the guest into this container and into no other; outside of dstack there is none.',
  },
  agent_socket_denied: {
    status: 'fail',
    action:
      'The socket is there and this user may not use it. dstack gives it mode 0777: look at its mode, and at user: in the compose file.',
  },
  tapp_socket_absent: {
    status: 'fail',
    action:
      'Mount /run/tapp/tapp.sock of the machine into this container and into no other; a machine of dstack has none: leave --tapp-app-id out there.',
  },
  tapp_socket_denied: {
    status: 'fail',
    action:
      'The socket is there and this user may not use it. TAPP gives it to root with mode 0600: run this container as user "0:0", with cap_drop: [ALL].',
  },
  agent_version_unstated: {
    status: 'warn',
    action:
      'The agent has no Version call, so it is older than 0.5.7. Update the guest image: agents before 0.5.6 ignore the algorithm of a key.',
  },
  agent_version_untried: {
    status: 'warn',
    action: 'This version was tried with agents of 0.5 and 0.6. Watch the other rows closely.',
  },
  compose_hash_mismatch: {
    status: 'fail',
    action:
      'The agent names a compose hash that its own compose text does not have. Something stands between this process and the agent.',
  },
  key_provider_machine: {
    status: 'warn',
    action:
      'A derived address is lost with any change of the measured software. Deploy under a KMS, or expect to register anew after each upgrade.',
  },
  key_provider_none: {
    status: 'warn',
    action:
      'Only an ephemeral address is possible: each start makes a new one, and the broker has to be registered anew. Deploy under a KMS.',
  },
  address_impossible: {
    status: 'fail',
    action: 'Without a key provider nothing can be derived: --address-key ephemeral, or a KMS.',
  },
  address_unnamed: {
    status: 'fail',
    action:
      'Outside of a KMS the source of the address is chosen in words: --address-key. serve refuses to start without it.',
  },
  address_ephemeral: {
    status: 'warn',
    action:
      'The address is made at each start; take it from the log of serve and register it after each one.',
  },
  address_not_made: {
    status: 'warn',
    action:
      'The first start of serve makes the sealed key. Register the address that `countersign keys show` prints after it.',
  },
  gpu_none_required: {
    status: 'warn',
    action:
      'The attested configuration says that no GPU is required: a policy that asks for GPUs refuses it, others show that none was attested. Where the model runs on GPUs, set --require-gpu here and in the measured compose file.',
  },
  gpu_nodes_absent: {
    status: 'fail',
    action:
      'Run the container with the NVIDIA runtime (or CDI) and NVIDIA_VISIBLE_DEVICES=all: without nodes in /dev no driver is reached.',
  },
  gpu_nodes_denied: {
    status: 'fail',
    action: 'The nodes must be readable and writable by the user of this container.',
  },
  gpu_nodes_missing: {
    status: 'fail',
    action: 'Pass all GPUs into this container: NVIDIA_VISIBLE_DEVICES=all.',
  },
  gpu_not_ready: {
    status: 'warn',
    action:
      'The GPUs accept no work before the guest says so: `nvidia-smi conf-compute -srs 1` in the guest, after its own attestation.',
  },
  gpu_persistence_unseen: {
    status: 'warn',
    action:
      'In CC mode nvidia-persistenced must run, or the driver drops its session with the GPUs. Its socket is mounted by the NVIDIA runtime; look in the guest.',
  },
  gpu_fabric_unseen: {
    status: 'warn',
    action:
      'Eight GPUs need nvidia-fabricmanager in the guest before CUDA starts. Its socket is mounted by the NVIDIA runtime; look in the guest.',
  },
  gpu_compose_unstated: {
    status: 'warn',
    action:
      'Write --require-gpu=N into the measured compose file, so that whoever knows its hash knows the number.',
  },
  gpu_compose_mismatch: {
    status: 'fail',
    action:
      'The measured compose file requires another number of GPUs than this configuration. Correct whichever of the two --require-gpu is wrong; another compose text is another compose hash.',
  },
  gpu_vm_config_mismatch: {
    status: 'fail',
    action:
      'The machine was created with another number of GPUs. Correct --require-gpu, or stop the machine, correct its GPU list on the host and start it.',
  },
  gpu_vm_config_unstated: {
    status: 'warn',
    action: 'The agent tells no number of GPUs of the machine. Newer guest images do.',
  },
  gpu_nvswitches_unrequired: {
    status: 'fail',
    action:
      'Several GPUs in protected-PCIe mode count only with the NVSwitches between them. Set --require-nvswitches to their number and --nvattest to the program.',
  },
  gpu_nvswitches_vm_config: {
    status: 'fail',
    action:
      'The machine was created with another number of NVSwitches. Correct --require-nvswitches, or stop the machine, correct its device list on the host and start it.',
  },
  gpu_simulated: {
    status: 'warn',
    action:
      'A rehearsal: guest and GPUs are made up by this process, and its address is gone with it. Run it on the machine without --simulate.',
  },
  upstream_unreachable: {
    status: 'fail',
    action:
      'Start the model server, and look at its address: a unix socket on a shared volume, or a loopback address.',
  },
  upstream_slow: {
    status: 'fail',
    action: 'The model server gave no whole list in time. It may still load its weights.',
  },
  upstream_malformed: {
    status: 'fail',
    action: 'What answers there does not serve /v1/models as OpenAI does. Is it the model server?',
  },
  upstream_models_missing: {
    status: 'fail',
    action:
      'Set --served-model-name of the model server and models of the upstream to the same names.',
  },
  upstream_without_models: {
    status: 'fail',
    action: 'The model server lists no model. Look at its log.',
  },
  collateral_unavailable: {
    status: 'fail',
    action:
      'Let this machine reach the service (api.trustedservices.intel.com; rim. and ocsp.ndis.nvidia.com), or name a caching service or a proxy.',
  },
  tcb_not_accepted: {
    status: 'fail',
    action:
      'Update BIOS and TDX module of the host; `countersign tcb-status` lists each number that is short.',
  },
  tcb_soon_not_accepted: {
    status: 'warn',
    action:
      'Accepted now, and not when the standard channel follows the early one. Plan the update of the host; `countersign tcb-status` lists what is short.',
  },
  volume_absent: { status: 'fail', action: 'Mount the volume at this path.' },
  volume_read_only: {
    status: 'fail',
    action:
      'Mount it writable. If it became read-only by itself, the file system found an error: look at dmesg.',
  },
  volume_denied: {
    status: 'fail',
    action: 'Give the folder to the user of this container (65532 in the published image).',
  },
  volume_full: { status: 'fail', action: 'Make room, or enlarge the disk of the machine.' },
  volume_failed: { status: 'fail', action: 'The disk fails. Look at dmesg of the guest.' },
  volume_low: { status: 'warn', action: 'Make room before it is full.' },
  volume_slow: {
    status: 'warn',
    action:
      'Each sealed write waits so long. Take a disk that is not shared, or is not on a network.',
  },
  clock_skewed: {
    status: 'fail',
    action:
      'Certificates and nonces are judged by time. Set secure_time in app-compose.json and restart the machine.',
  },
  clock_drifts: {
    status: 'warn',
    action: 'Set secure_time in app-compose.json, so that the guest keeps its time by NTS.',
  },
  clock_unstated: {
    status: 'warn',
    action:
      'Nothing measured here says who sets the clock. Compare it with --fetch-collateral, and with whoever built the image.',
  },
  clock_insecure: {
    status: 'warn',
    action:
      'The host decides what time it is. Set secure_time in app-compose.json, which is measured.',
  },
  runtime_socket_mounted: {
    status: 'fail',
    action:
      'Whoever holds the socket of the container runtime can replace what was measured. Mount it into no container.',
  },
  mounts_unreadable: {
    status: 'unknown',
    action: '/proc/self/mountinfo cannot be read here. Look at the compose file.',
  },
} satisfies Readonly<
  Record<string, { readonly status: Exclude<RowStatus, 'ok'>; readonly action: string }>
>)

export type DoctorCode = keyof typeof DOCTOR_CODES
