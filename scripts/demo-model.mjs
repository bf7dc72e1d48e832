// A model server without a model, on a unix socket, for rehearsals: node scripts/demo-model.mjs <socket>
import { startDemoModel } from '../dist/src/demo/model/start-demo-model.js'

const [, , socketPath] = process.argv
if (socketPath === undefined) {
  process.stderr.write('Usage: node scripts/demo-model.mjs <socket>\n')
  process.exit(2)
}
const model = await startDemoModel({ socketPath, models: ['model'] })
process.stdout.write('serving\n')
process.on('SIGTERM', () => void model.close().then(() => process.exit(0)))
