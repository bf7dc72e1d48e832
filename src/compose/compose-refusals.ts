/**
 * What `countersign compose check` refuses an app-compose.json for: one stable code for each way in which the file would not
 * do what a relying party takes it to do.
 *
 * @module
 */
import { DRAIN_MS } from './drain-time.ts'

export const COMPOSE_REFUSALS = Object.freeze({
  member_unknown:
    'A member of the file is none that this check knows; what it does was not looked at: leave it out.',
  runner_not_compose: 'runner is not docker-compose, so docker_compose_file is not what runs.',
  member_of_wrong_kind: 'A member does not have a value that dstack documents for it.',
  init_script_unknown:
    'init_script is not the text that ships: it runs as root before anything is measured by this check. Take that text, or none.',
  public_logs: 'public_logs is not false: container logs would be open to the world.',
  public_sysinfo: 'public_sysinfo is not false: system information would be open to the world.',
  no_secure_time: 'secure_time is not true: the host would set the clock of the guest.',
  pre_launch_script:
    'A pre_launch_script runs after the container daemon has started: it is no gate, and whoever relies on it is wrong.',
  allowed_env_security_relevant:
    'A value from outside is let in that is none of COUNTERSIGN_TOKENS, COUNTERSIGN_SHARED_STORE_PASSWORD and HF_TOKEN: the host can forge it, and nobody measures it.',
  yaml_malformed:
    'docker_compose_file is not one YAML document that all readers read alike: write plain YAML, lines ended by a line feed alone, no tabs and no control or formatting characters.',
  yaml_duplicate_key: 'docker_compose_file has a key twice.',
  yaml_anchor: 'docker_compose_file has an anchor, alias, merge key or tag: write it out.',
  key_unknown:
    'docker_compose_file has a key that this check does not know; what it does was not looked at: leave it out.',
  value_unexpected:
    'A value of docker_compose_file is not written in a form that is read: take the form of the shipped file (lists of texts; absolute paths without . or .. and without a / at the end; of depends_on the condition alone).',
  services_missing: 'docker_compose_file has no services.',
  variable_used:
    'A variable stands where the text must be literal: its value is not measured and can be forged by the host. Write it out; only the sidecar takes COUNTERSIGN_TOKENS and COUNTERSIGN_SHARED_STORE_PASSWORD, whole, and others HF_TOKEN.',
  image_missing: 'A service names no image.',
  image_mutable: 'An image is not pinned by @sha256, so its registry decides what runs.',
  image_built_in_place: 'The guest would build an image itself, so what runs depends on its build.',
  image_placeholder: 'An image digest is the placeholder of 64 zeros: put the real one there.',
  revision_mutable:
    'Something is fetched without the 40 hex digits of a commit as its one --revision: a model, or what --tokenizer, --lora-modules, --speculative-config or --trust-remote-code name.',
  revision_placeholder: 'A model revision is the placeholder of 40 zeros: put the real one there.',
  agent_socket_missing: "No service mounts the guest agent's socket, so nothing can attest.",
  agent_socket_shared:
    "More than one container has the guest agent's socket: each could take the app's keys and have any bytes quoted.",
  broker_in_same_vm:
    "0G's broker stands beside the sidecar, as its wizard writes it: it runs in a confidential VM of its own, or it can take the sidecar's keys.",
  docker_socket: "A container has the container daemon's socket, and with it the whole guest.",
  host_path_mounted:
    "A container mounts a path of the guest other than the guest agent's socket: mount a named volume, on disk or (type and device tmpfs) in memory.",
  privileged: 'A container is privileged.',
  capability_added: 'A container is given a capability or a device of the guest.',
  host_namespace: 'A container shares a namespace of the guest or of another container.',
  host_network: 'A container is on the network of the guest.',
  security_opt_weakened: 'A container switches a protection of the kernel off.',
  restart_always:
    'A container restarts with the daemon (always or unless-stopped): it would run again from the disk before the measured text is read.',
  port_published_beside:
    'A container other than the sidecar publishes a port, past which nothing is signed: leave it out.',
  runtime_unknown:
    'A container runs by a runtime other than nvidia and runc: name one of them, or none.',
  sidecar_mount:
    "Something is mounted into the sidecar that could lie over its code, a library or its secrets. Mount the guest agent's socket at its own path; volumes at the folder of an --upstream socket, of --weights, of --tls-certificate, of --shared-store-ca, or, as these need and shared with nobody, of --store and --address-key-dir, each below /run, /mnt, /srv, /data, /models, /weights or /var/lib/countersign and none inside of another; a tmpfs at /tmp.",
  sidecar_root_writable: 'The root of the sidecar is not read-only.',
  sidecar_user_root:
    'The sidecar does not run as a user and group of its own (user: "65532:65532").',
  sidecar_capabilities: 'The sidecar keeps capabilities (cap_drop: [ALL]).',
  sidecar_new_privileges:
    'The sidecar may gain privileges (security_opt: [no-new-privileges:true]).',
  sidecar_gpu_capabilities:
    'The sidecar is given more of the driver than its management library (NVIDIA_DRIVER_CAPABILITIES: utility).',
  sidecar_stop_grace: `The sidecar has no stop_grace_period above the ${DRAIN_MS / 1000} s that leaving takes; SIGKILL would cut answers.`,
  sidecar_depends_on_model:
    'The sidecar waits for a service that keeps running: while the model is down nobody could attest.',
  sidecar_entrypoint:
    "The sidecar does not start by its image's own entrypoint and in its folder, or has another health check than its image's: leave them out (healthcheck: { disable: true } may stand).",
  sidecar_flag:
    'A flag of the sidecar is none that this check knows, stands twice, or has a value that is not read: write each once, folders as absolute paths without . or .. and without a / at the end, and a shared store as rediss://.',
  sidecar_nvattest_elsewhere:
    'nvattest would run from a volume or from memory, where nobody measured it: name a path of the image (--nvattest=/usr/bin/nvattest) and derive an image that has it.',
  sidecar_port:
    'The sidecar publishes a port that is not that of --listen or --tls; metrics have no authentication. Write each as "host:container".',
  sidecar_environment:
    'The sidecar has a variable that this check does not know; some, such as NODE_OPTIONS, load code.',
  sidecar_config_elsewhere:
    'The sidecar takes its configuration from a file that the measured text does not show.',
  sidecar_remote_upstream:
    'The sidecar may use a model server outside this machine: any address but a unix socket (--upstream=unix:/run/…) or loopback may be answered by the host.',
  sidecar_simulated: 'The sidecar would simulate, and prove nothing.',
  sidecar_without_weights: 'The sidecar does not measure the weights (--weights).',
  sidecar_without_gpu:
    'The sidecar does not say how many GPUs must attest (--require-gpu, 0 for none), so the measured text does not either.',
  weights_writable:
    'The weights can change after they were measured, or others lie over them: mount one volume read-only, with nothing inside of it, wherever a service keeps running.',
  weights_other:
    'The model server does not load what the sidecar measures: mount the volume of --weights once and read-only, name the model, and whatever else it loads, by a path at or below that folder and no other path of that volume, and set no working_dir.',
  model_server_mount:
    "A volume of the model server is another service's too: beside its socket and, read-only, the measured weights, give it volumes of its own or a tmpfs.",
  upstream_shared:
    "The volume of a model server's socket belongs to more than the sidecar and that server: whoever else has it can use the model past every receipt, or answer in its place and read all prompts.",
  model_server_network:
    'The model server has a network, and with it every prompt in the clear a way out (network_mode: none).',
  model_server_command:
    'The command of the model server is not plain words that this check can read: write program and flags as lists, without --config or --middleware; the one text for a shell that is read is rm -f SOCKET && exec PROGRAM FLAGS "$$@".',
  request_logging:
    'The model server would log, trace or publish what it is asked or what it answers: leave such flags and variables out.',
  media_unlimited:
    'The model server has a network and would fetch media from any address that a request names.',
})
export type ComposeRefusal = keyof typeof COMPOSE_REFUSALS

/** Refused only until the file is filled in; `--template` lets them stand. */
export const PLACEHOLDERS: ReadonlySet<ComposeRefusal> = new Set([
  'image_placeholder',
  'revision_placeholder',
])

export interface ComposeFinding {
  readonly code: ComposeRefusal
  /** Where in the file: a path of member names, e.g. `services.vllm.image`. */
  readonly where: string
}

/** Takes down findings of one part of the file. */
export type Report = (code: ComposeRefusal, where: string) => void
