/** A simulated TAPP on a socket that can be cut, for tests of a service that runs on it. */
import { rmSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { createSimulatedTapp } from '../../attestation/simulator/tapp/create-simulated-tapp.ts'
import type { SimulatedTapp } from '../../attestation/simulator/tapp/create-simulated-tapp.ts'
import { startTappService } from '../../attestation/simulator/tapp/start-tapp-service.ts'
import type { TappFaults } from '../../attestation/simulator/tapp/start-tapp-service.ts'

export const APP_ID = 'sim-countersign'
export const COMPOSE = `services:
  countersign:
    image: "example.org/countersign@sha256:${'ab'.repeat(32)}"
    command: ["serve", "--require-gpu=0"]
`

export function createTapp(members: { readonly started?: boolean } = {}): SimulatedTapp {
  return createSimulatedTapp({ appId: APP_ID, composeText: COMPOSE, now: new Date(), ...members })
}

/** What can go wrong on the way between the two. */
export interface WireFaults {
  /** An answer ends after so many bytes, and the connection with it. */
  cutAfter?: number
  /** What listens is no gRPC service. */
  speaksHttp1?: boolean
}

export interface TappOnWire {
  close(): Promise<void>
}

/** TAPP behind `socketPath`, with a wire between that can be cut. */
export async function serveTapp(
  tapp: SimulatedTapp,
  socketPath: string,
  faults: TappFaults,
  wire: WireFaults,
): Promise<TappOnWire> {
  const behind = `${socketPath}.behind`
  const service = await startTappService(tapp, { socketPath: behind, faults })
  const open = new Set<Socket>()
  const server: Server = createServer((client) => {
    const upstream = createConnection(behind)
    let passed = 0
    for (const end of [client, upstream]) {
      open.add(end)
      end.on('error', () => {})
      end.on('close', () => {
        open.delete(end)
        client.destroy()
        upstream.destroy()
      })
    }
    if (wire.speaksHttp1 === true) {
      client.end('HTTP/1.1 400 Bad Request\r\n\r\n')
      return
    }
    client.pipe(upstream)
    upstream.on('data', (chunk: Buffer) => {
      const left = (wire.cutAfter ?? Infinity) - passed
      passed += chunk.length
      client.write(chunk.subarray(0, Math.max(left, 0)))
      if (left <= chunk.length) client.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of open) socket.destroy()
      service.close()
      await closed
      rmSync(behind, { force: true })
    },
  }
}
