/**
 * What the relay does with requests, as the configuration says.
 *
 * @module
 */
import type { ChatRecorderOptions } from '../relay/chat-recorder.ts'
import type { Config } from './config.ts'

export function relayRules(config: Config): ChatRecorderOptions['rules'] {
  return {
    policy: {
      rejected: new Set(config.reject_members),
      stateful: config.stateful_requests,
    },
    rewrites: {
      stripEmptyToolCalls: config.rewrites.strip_empty_tool_calls,
      includeUsage: config.rewrites.include_usage,
    },
  }
}
