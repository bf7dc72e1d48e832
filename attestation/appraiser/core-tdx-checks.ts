/**
 * Checks of a quote and of its event log that no evidence of a TD can do without, whatever stands around them.
 *
 * @module
 */
export const CORE_QUOTE_CHECKS: readonly string[] = Object.freeze([
  'quote.structure',
  'quote.pck_chain',
  'quote.qe_report',
  'quote.qe_binding',
  'quote.signature',
  'quote.td_attributes',
  'quote.xfam',
  'quote.seam',
  'quote.owner',
  'quote.mr_config_id',
])

export const CORE_LOG_CHECKS: readonly string[] = Object.freeze([
  'eventlog.structure',
  'eventlog.digests',
  'eventlog.rtmr3',
  'eventlog.system_events',
])
