/**
 * Changes of TCB info and QE identity, as their signer would make them.
 *
 * @module
 */
import { listOf } from './collateral.ts'
import type { Document, TextChange } from './collateral.ts'
import type { Evidence } from './vector.ts'

export type Edit = (document: Document) => void

export const set =
  (name: string, value: unknown): Edit =>
  (document) => {
    document[name] = value
  }
export const drop =
  (name: string): Edit =>
  (document) => {
    delete document[name]
  }
/** Of the level that the platform reaches. */
export const topLevel =
  (change: Edit): Edit =>
  (document) => {
    change(listOf(document, 'tcbLevels')[0] ?? {})
  }
export const tcbOfTop = (change: Edit): Edit =>
  topLevel((level) => change(level['tcb'] as Document))
export const module =
  (change: Edit): Edit =>
  (document) => {
    change(listOf(document, 'tdxModuleIdentities')[0] ?? {})
  }
export const component =
  (list: 'sgxtcbcomponents' | 'tdxtcbcomponents', index: number, svn: unknown): Edit =>
  (tcb) => {
    listOf(tcb, list)[index] = { svn }
  }

export const tcbInfo = (change: TextChange): Evidence => ({ collateral: { tcbInfo: change } })
export const qeIdentity = (change: TextChange): Evidence => ({ collateral: { qeIdentity: change } })
