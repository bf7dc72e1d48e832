// The instructions of the Dockerfile, and their effect on folders in the place of image layers. What is not understood is an
// error: a step that is left out would make the tree another one than the image's.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { basename, join, posix } from 'node:path'

// [{ name, value }]: comments dropped, continued lines joined.
export function instructions(text) {
  const lines = text
    .split('\n')
    .filter((line) => !/^\s*(?:#|$)/.test(line))
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n')
  return lines.map((line) => {
    const [, name, value] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    if (name === undefined) throw new Error(`not an instruction: ${line}`)
    return { name, value }
  })
}

// Names that the build may read of the checkout, from the exceptions in .dockerignore.
export function allowedSources(text) {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  if (lines[0] !== '*') throw new Error('.dockerignore does not begin by leaving everything out')
  return lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
}

// A plain path in the image, as the one of the folder that stands for it.
function pathIn(root, path) {
  if (!/^\/[\w./-]+$/.test(path) || path.includes('..'))
    throw new Error(`not a plain path: ${path}`)
  return join(root, path)
}

// `rm -rf` with plain paths and `*` at the end of a name: of the folder, never of this machine.
function removeIn(root, paths) {
  for (const path of paths) {
    if (!path.endsWith('*')) {
      rmSync(pathIn(root, path), { recursive: true, force: true })
      continue
    }
    const start = pathIn(root, path.slice(0, -1))
    // In bash's way, with the pattern the only thing that is not quoted.
    if (existsSync(join(start, '..'))) execFileSync('/bin/sh', ['-c', 'rm -rf -- "$0"*', start])
  }
}

// What the last stage runs, on the folder: nothing of this machine is called by a name from the image.
function runIn(root, command) {
  const words = command.split(/\s+/)
  const [, mode, uid, gid, folders] =
    /^install -d -m (0[0-7]{3}) -o (\d+) -g (\d+) (.+)$/.exec(command) ?? []
  const [, target, name] = /^ln -s (\/[\w./-]+) (\/[\w./-]+)$/.exec(command) ?? []
  if (words[0] === 'rm' && words[1] === '-rf') removeIn(root, words.slice(2))
  else if (target !== undefined) symlinkSync(target, pathIn(root, name))
  else if (folders !== undefined) {
    for (const path of folders.split(/\s+/)) {
      const folder = pathIn(root, path)
      mkdirSync(folder, { recursive: true })
      chownSync(folder, Number(uid), Number(gid))
      chmodSync(folder, Number.parseInt(mode, 8))
    }
  } else throw new Error(`the last stage runs what is not understood: ${command}`)
}

// Runs the steps: build(folder of stages, checkout, base(root) that puts the base image's files there) → the last stage.
export function buildStages(checkout, folder, base) {
  const all = instructions(readFileSync(join(checkout, 'Dockerfile'), 'utf8'))
  const allowed = allowedSources(readFileSync(join(checkout, '.dockerignore'), 'utf8'))
  const stages = []
  const last = all.filter(({ name }) => name === 'FROM').length
  const current = () => stages.at(-1) ?? { args: true }
  for (const { name, value } of all) {
    const stage = current()
    const words = value.split(/\s+/)
    if (name === 'FROM') {
      if (words[0] !== '${NODE_IMAGE}' || words[1] !== 'AS')
        throw new Error(`another base: ${value}`)
      const root = join(folder, words[2])
      mkdirSync(root, { recursive: true })
      base(root)
      stages.push({ name: words[2], root, workdir: '/', env: {} })
    } else if (name === 'ARG') {
      if (stages.length > 0) throw new Error('an argument of a stage')
    } else if (name === 'WORKDIR') {
      stage.workdir = value
      mkdirSync(join(stage.root, value), { recursive: true })
    } else if (name === 'ENV') {
      const [, key, text] = /^(\w+)=(\S+)$/.exec(value) ?? []
      if (key === undefined) throw new Error(`not one variable: ${value}`)
      stage.env[key] = text
    } else if (name === 'COPY') {
      const from = /^--from=(\w+)$/.exec(words[0])?.[1]
      const source = from === undefined ? checkout : stages.find((one) => one.name === from)?.root
      if (source === undefined) throw new Error(`no stage ${from}`)
      const target = words.at(-1)
      for (const path of words.slice(from === undefined ? 0 : 1, -1)) {
        if (from === undefined && !allowed.includes(path))
          throw new Error(`${path} is left out by .dockerignore`)
        const into = posix.resolve(stage.workdir, target)
        const whole = statSync(join(source, path)).isDirectory() || !target.endsWith('/')
        const to = join(stage.root, whole ? into : join(into, basename(path)))
        cpSync(join(source, path), to, { recursive: true, verbatimSymlinks: true })
      }
    } else if (name === 'RUN') {
      if (stages.length === last) runIn(stage.root, value)
      else {
        // npm and tsc of this machine, in the stage's folder: it is a tree of files there and not yet a root.
        execFileSync('/bin/sh', ['-ec', value], {
          cwd: join(stage.root, stage.workdir),
          stdio: ['ignore', 2, 2],
        })
      }
    } else if (name === 'USER') stage.user = value
    else if (name === 'ENTRYPOINT') stage.entrypoint = JSON.parse(value)
    else if (name === 'HEALTHCHECK') {
      stage.health = JSON.parse(/CMD (\[.*\])$/.exec(value)?.[1] ?? 'null')
    } else if (name !== 'EXPOSE') throw new Error(`not understood: ${name}`)
  }
  return current()
}
