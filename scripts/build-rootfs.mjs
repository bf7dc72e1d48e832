// The image's file tree without an image builder: the Dockerfile's own steps, run into a folder, then started as the container
// would be: as its user, with an empty environment but its own, no capabilities, on a read-only root. The base image is
// this machine's Node and the libraries that it needs.
//
//   node scripts/build-rootfs.mjs            build in a folder under the system's own, check, remove it; prints one JSON document
//   node scripts/build-rootfs.mjs <folder>   the same, and keep the tree there
//
// Exit codes: 0 all as it should be; 1 something is not; 20 this machine does not let a root be made (it needs Linux, util-linux'
// unshare and the right to mount). It fetches from the package registry, as the image's build does.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  lstatSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { buildStages } from './dockerfile.mjs'

const CHECKOUT = fileURLToPath(new URL('..', import.meta.url))
const UNFIT = 20
const START_MS = 60_000
// How each package with an addon loads it. One that is in the tree and not here fails the check.
const ADDONS = {
  secp256k1: "require('secp256k1/bindings.js')",
  koffi: "require('koffi').load('libc.so.6').func('int getuid()')()",
  'cbor-extract': "require('cbor-extract')",
  '@cbor-extract/cbor-extract-linux-x64': "require('cbor-extract').extractStrings.name",
  '@koromix/koffi-linux-x64': "require('koffi').version",
  '@lmdb/lmdb-linux-x64': `(() => {
    const store = require('lmdb').open({ path: '/tmp/addon-check-' + process.pid, noSubdir: true })
    store.putSync('key', 'value')
    return store.get('key')
  })()`,
  '@msgpackr-extract/msgpackr-extract-linux-x64': "require('msgpackr-extract').extractStrings.name",
}

function copyInto(root, path) {
  const to = join(root, path)
  mkdirSync(dirname(to), { recursive: true })
  if (!existsSync(to)) copyFileSync(realpathSync(path), to)
}

// Node as the base image has it, and something of each kind that the last stage must take away.
function base(root) {
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true })
  copyFileSync(process.execPath, join(root, 'usr/local/bin/node'))
  for (const [path] of execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).matchAll(
    /\/\S+(?= \()/g,
  )) {
    copyInto(root, path)
  }
  for (const [name, path] of [
    ['lib', 'usr/lib'],
    ['lib64', 'usr/lib64'],
  ]) {
    // Where this machine has /lib as a link, the copies above lie below the real folder.
    if (lstatSync(`/${name}`).isSymbolicLink() && !existsSync(join(root, name))) {
      mkdirSync(join(root, path), { recursive: true })
      symlinkSync(readlinkSync(`/${name}`), join(root, name))
    }
  }
  // What the first line of our program asks for.
  copyInto(root, '/usr/bin/env')
  for (const path of [
    'usr/local/lib/node_modules/npm',
    'usr/local/include/node',
    'opt/yarn-v1',
    'root/.npm',
  ]) {
    mkdirSync(join(root, path), { recursive: true })
  }
  for (const name of ['npm', 'npx', 'corepack', 'yarn', 'yarnpkg'])
    writeFileSync(join(root, 'usr/local/bin', name), '')
  for (const path of ['proc', 'dev', 'tmp']) mkdirSync(join(root, path), { recursive: true })
}

// Packages of the tree in which some file is an addon.
function packagesWithAddons(modules) {
  const found = new Set()
  for (const entry of readdirSync(modules, { recursive: true })) {
    const [, name] = /^(?:.*node_modules\/)?((?:@[^/]+\/)?[^/]+)\/.*\.node$/.exec(entry) ?? []
    if (name !== undefined) found.add(name)
  }
  return [...found].sort()
}

// A program of this machine, for children whose PATH is the image's.
const program = (name) =>
  execFileSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()

// Runs inside of the namespaces: everything mounted here is gone with this process.
function enter({ root, workdir, env, user, entrypoint, health }) {
  const [uid, gid] = user.split(':')
  const mount = (...args) => execFileSync('mount', args)
  mount('--bind', root, root)
  mount('-t', 'proc', 'proc', join(root, 'proc'))
  mount('-t', 'tmpfs', '-o', 'size=16m,mode=1777', 'tmpfs', join(root, 'tmp'))
  for (const name of ['null', 'urandom']) {
    const node = join(root, 'dev', name)
    if (!existsSync(node)) writeFileSync(node, '')
    mount('--bind', `/dev/${name}`, node)
  }
  mount('-o', 'remount,ro,bind', root)
  execFileSync('ip', ['link', 'set', 'lo', 'up'])
  // unshare drops all groups with --setgid, and root's capabilities are gone with --setuid.
  const inside = [
    '--no-new-privs',
    program('unshare'),
    `--root=${root}`,
    `--wd=${workdir}`,
    `--setgid=${gid}`,
    `--setuid=${uid}`,
    '--',
  ]
  const variables = {
    ...env,
    PATH: '/usr/local/bin',
    COUNTERSIGN_TOKENS: 'check:check-token-0123456789',
  }
  const node = (code) => {
    const run = spawnSync(SETPRIV, [...inside, '/usr/local/bin/node', '-e', code], {
      env: variables,
      encoding: 'utf8',
    })
    return {
      code: run.status,
      out: run.stdout.trim(),
      err: run.stderr.trim().split('\n').at(-1) ?? '',
    }
  }
  return { inside, variables, node, entrypoint, health }
}

const SETPRIV = process.platform === 'linux' ? program('setpriv') : ''

async function check(stage) {
  const { inside, variables, node, entrypoint, health } = enter(stage)
  const results = []
  const say = (what, ok, detail) => results.push({ what, ok, detail })
  const who = node(
    "const s = require('fs').readFileSync('/proc/self/status', 'utf8'); console.log(/^Uid:.*$/m.exec(s)[0], /^Gid:.*$/m.exec(s)[0], /^Groups:.*$/m.exec(s)[0], /^CapEff:.*$/m.exec(s)[0], /^NoNewPrivs:.*$/m.exec(s)[0])",
  )
  say(
    'runs as uid and gid 65532 without groups and capabilities',
    /^Uid:(\t65532){4} Gid:(\t65532){4} Groups:\s+CapEff:\t0{16} NoNewPrivs:\t1$/.test(who.out),
    who.out || who.err,
  )
  for (const path of ['/app/x', '/app/dist/x', '/x', '/usr/local/bin/x']) {
    const write = node(
      `try { require('fs').writeFileSync('${path}', ''); console.log('written') } catch (error) { console.log(error.code) }`,
    )
    say(`cannot write ${path}`, write.out === 'EROFS', write.out || write.err)
  }
  for (const path of [
    '/usr/local/lib/node_modules',
    '/usr/local/bin/npm',
    '/opt/yarn-v1',
    '/root/.npm',
  ]) {
    say(`${path} was taken away`, !existsSync(join(stage.root, path)), '')
  }
  const modules = join(stage.root, 'app/node_modules')
  say(
    'no development package is left',
    !existsSync(join(modules, 'typescript')) && !existsSync(join(modules, 'vitest')),
    '',
  )
  for (const name of packagesWithAddons(modules)) {
    const code = ADDONS[name]
    const run =
      code === undefined
        ? { code: 1, err: 'no check loads it' }
        : node(`console.log(String(${code}))`)
    say(`loads the addon of ${name}`, run.code === 0, run.out || run.err)
  }
  for (const path of ['/var/lib/countersign', '/data']) {
    const owned = node(
      `const s = require('fs').statSync('${path}'); console.log(s.uid, s.gid, (s.mode & 0o777).toString(8))`,
    )
    say(`${path} is the service's own`, owned.out === '65532 65532 700', owned.out || owned.err)
  }
  const named = spawnSync(SETPRIV, [...inside, '/usr/local/bin/countersign', '--version'], {
    env: variables,
    encoding: 'utf8',
  })
  say(
    'countersign runs by its name',
    named.status === 0,
    named.stdout.trim() || named.stderr.trim(),
  )
  const backend = node(
    "import('/app/dist/enclave/keys/secp256k1-signer.js').then((m) => console.log(m.DEFAULT_SECP256K1_BACKEND))",
  )
  say('signs by the native addon', backend.out === 'native', backend.out || backend.err)
  const absent = spawnSync(
    SETPRIV,
    [...inside, ...entrypoint, '--require-gpu=0', '--upstream=unix:/tmp/x.sock'],
    { env: variables, encoding: 'utf8' },
  )
  say(
    'without a guest agent refuses to start',
    absent.status === 2 && absent.stderr.includes('guest agent'),
    absent.stderr.trim(),
  )
  const child = spawn(
    SETPRIV,
    [
      ...inside,
      ...entrypoint,
      '--simulate',
      '--upstream=unix:/tmp/x.sock',
      '--listen=0.0.0.0:8080',
    ],
    { env: variables, stdio: 'ignore' },
  )
  const exited = new Promise((done) => child.once('exit', (code) => done(code)))
  const ready = await Promise.race([
    exited.then(() => false),
    answers('http://127.0.0.1:8080/health'),
  ])
  say('starts in simulation by the image’s entry point', ready, '')
  const probe = spawnSync(SETPRIV, [...inside, ...health], { env: variables })
  say('the image’s health check passes', probe.status === 0, String(probe.status))
  child.kill('SIGTERM')
  say('ends with 0 on SIGTERM', (await exited) === 0, '')
  return results
}

async function answers(url) {
  const until = Date.now() + START_MS
  while (Date.now() < until) {
    const ok = await new Promise((done) => {
      get(url, (response) => done(response.resume().statusCode === 200)).on('error', () =>
        done(false),
      )
    })
    if (ok) return true
    await sleep(200)
  }
  return false
}

function unfit(why) {
  process.stdout.write(`${JSON.stringify({ skipped: why })}\n`)
  process.exit(UNFIT)
}

const [first, second] = process.argv.slice(2)
if (first === '--inside') {
  const results = await check(JSON.parse(second))
  process.stdout.write(`${JSON.stringify({ node: process.version, results }, null, 2)}\n`)
  process.exit(results.every(({ ok }) => ok) ? 0 : 1)
}
if (process.platform !== 'linux') unfit('SKIPPED: not Linux')
if (
  spawnSync('unshare', ['--mount', '--net', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status !== 0
) {
  unfit('SKIPPED: this machine does not let a process make mounts of its own')
}
if (spawnSync('ip', ['-V']).status !== 0) unfit('SKIPPED: there is no ip (iproute2)')
const folder =
  first === undefined ? mkdtempSync(join(tmpdir(), 'countersign-rootfs-')) : resolve(first)
try {
  const stage = buildStages(CHECKOUT, folder, base)
  const run = spawnSync(
    'unshare',
    [
      '--mount',
      '--net',
      '--propagation=private',
      process.execPath,
      fileURLToPath(import.meta.url),
      '--inside',
      JSON.stringify(stage),
    ],
    { stdio: 'inherit' },
  )
  process.exitCode = run.status ?? 1
} finally {
  if (first === undefined) rmSync(folder, { recursive: true, force: true })
}
