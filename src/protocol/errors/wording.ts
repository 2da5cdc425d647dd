import { describeTarget } from '../address.js'
import type { CallDetails, CallEvidence, Sent } from './troupe-error.js'

// How messages name a call, and say what is known of it.

export function callName(details: CallDetails): string {
  const target = details.target === undefined ? '' : ` on ${describeTarget(details.target)}`
  return `${details.method ?? 'The call'}${target}`
}

/** Empty when nothing is known. What is old may have changed, so the age stands before it. */
export function describeEvidence({ stage, age = 0, lag = 0 }: Partial<CallEvidence>): string {
  if (!stage || stage.kind === 'unknown') return ''
  const loop = lag >= LAG_WORTH_TELLING ? `, in an event loop that was ${Math.round(lag)} ms late` : ''
  const when = `${Math.round(age)} ms before that it`
  if (stage.kind === 'running') return `${when} had been running for ${Math.round(stage.ms)} ms${loop}`
  const behind = stage.behind.length > 0 ? ` behind ${stage.behind.join(', ')}` : ''
  return `${when} had been waiting for ${Math.round(stage.ms)} ms, at position ${stage.position} of the mailbox${behind}${loop}`
}

/** ms: less is what every busy loop has. */
const LAG_WORTH_TELLING = 50

export const capitalise = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

export function sentHint(sent: Sent | undefined): string {
  if (sent === 'no') return 'It was never started, so it is safe to call again'
  return 'It may have been carried out, wholly or in part: call again only what may happen twice'
}
