// Runs variants of one piece of work against each other and prints a row of figures for each.
import { cpus } from 'node:os'
import { median, quantile } from './statistics.mjs'

const ROUNDS = Number(process.env['ROUNDS'] ?? 40)
const PER_ROUND = 10
const WARM_UP_ROUNDS = 10

/** @param variants by name a function that does the work once and throws where its outcome is not the expected one */
export function measure(what, variants) {
  const samples = Object.fromEntries(Object.keys(variants).map((name) => [name, []]))
  const processor = Object.fromEntries(Object.keys(variants).map((name) => [name, []]))
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    // One after the other in every round, so that whatever else the machine does hits all alike.
    for (const [name, run] of Object.entries(variants)) {
      const before = process.cpuUsage()
      for (let i = 0; i < PER_ROUND; i++) {
        const start = process.hrtime.bigint()
        run()
        const elapsed = Number(process.hrtime.bigint() - start) / 1e6
        if (round >= WARM_UP_ROUNDS) samples[name].push(elapsed)
      }
      // Processor time leaves out what other programs on the machine took in between.
      const { user, system } = process.cpuUsage(before)
      if (round >= WARM_UP_ROUNDS) processor[name].push((user + system) / 1000 / PER_ROUND)
    }
  }
  console.log(`| ${what} | median ms | p95 ms | processor time, median ms |`)
  console.log('| --- | --- | --- | --- |')
  for (const [name, all] of Object.entries(samples)) {
    const figures = [median(all), quantile(all, 0.95), median(processor[name])]
    console.log(`| ${name} | ${figures.map((figure) => figure.toFixed(3)).join(' | ')} |`)
  }
  console.log(
    `\n${ROUNDS} rounds of ${PER_ROUND}, interleaved; Node ${process.versions.node}, OpenSSL ${process.versions.openssl}, ` +
      `${cpus().length} × ${cpus()[0]?.model}\n`,
  )
}
