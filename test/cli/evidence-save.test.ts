/** To whom `evidence save` shows a token. */
import { Socket } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { evidenceSave } from '../../src/cli/evidence-save.ts'
import { TOKEN } from './evidence.helpers.ts'

test.each(['http://192.0.2.1', 'http://service.example/v1', 'http://127.0.0.1.example'])(
  'receipts of %s are not asked for: the token could be read on the way',
  async (url) => {
    const connect = vi.spyOn(Socket.prototype, 'connect').mockImplementation(() => {
      throw new Error('something was sent')
    })
    onTestFinished(() => connect.mockRestore())
    const saved = evidenceSave(url, { receipt: ['one'] }, { COUNTERSIGN_TOKEN: TOKEN })
    await expect(saved).rejects.toThrow('could be read on the way over plain http')
    expect(connect).not.toHaveBeenCalled()
  },
)
