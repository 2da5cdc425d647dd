import type { PublishReceipt } from '../../src/runtime/messaging/messenger.js'
import { type Evidence, EXIT, nameOf, WAY } from './evidence.js'
import type { Operation, Overflowed, Session } from './ledger.js'
import { CHANNELS } from './listener.js'
import { diedAt, disturbed, isDead } from './stalls.js'

// What receipts say of who has heard a message; and what a process may miss of a channel.

export function judgeReceipt(
  operation: Operation,
  { at, receipt: { acknowledged, failed } }: { readonly at: number; readonly receipt: PublishReceipt },
  { ledger, processes, note }: Evidence,
): void {
  const name = `the receipt of ${nameOf(operation)}`
  const said = [...acknowledged, ...failed].map(({ incarnation }) => incarnation)
  if (new Set(said).size !== said.length) note('truth', `${name} names a process twice`)
  const heardBy = (who: number) =>
    ledger.hearings.filter(({ tag, by }) => tag === operation.tag && by.incarnation === who)
  // From before it was sent until its receipt was there.
  const subscribed = ledger.sessions.filter(
    ({ channel, activeAt, endedAt }) =>
      channel === operation.channel && activeAt < operation.sentAt && !(endedAt <= at),
  )
  for (const { incarnation } of acknowledged) {
    const heard = heardBy(incarnation)
    if (heard.some(({ threw, settledAt }) => threw || settledAt === undefined))
      note('truth', `${name} says that ${incarnation} acknowledged, and it did not`)
    if (heard.length === 0 && subscribed.some(({ who }) => who === incarnation))
      note('truth', `${name} says that ${incarnation} acknowledged, and it has heard nothing`)
  }
  for (const { incarnation, error } of failed) {
    if (error.code === 'ERR_REMOTE' && !heardBy(incarnation).some(({ threw }) => threw))
      note('truth', `${name} says that a handler of ${incarnation} threw, and none did`)
    const death = diedAt(incarnation, processes)
    if (
      error.code === 'ERR_CALL_TIMEOUT' &&
      at - death > WAY + EXIT &&
      !disturbed([0, operation.from], [death, at], processes)
    )
      note('answers', `${name} waited for ${incarnation}, which was dead`)
    if (error.code === 'ERR_WORKER_GONE' && !isDead(incarnation, processes, at))
      note('truth', `${name} says that ${incarnation} died, and it lives`)
    const overflowed = ledger.overflows.some(
      (event) => event.incarnation === incarnation && event.channel === operation.channel && event.at <= at,
    )
    if (error.code === 'ERR_MAILBOX_FULL' && !overflowed)
      note('truth', `${name} says that ${incarnation} did not keep up, and no event does`)
  }
  for (const { who, channel, activeAt } of subscribed) {
    // It may not know yet that its subscription has ended.
    const disconnected = ledger.overflows.some(
      (event) =>
        event.overflow === 'disconnect' &&
        event.incarnation === who &&
        event.channel === channel &&
        event.at > activeAt,
    )
    if (!disconnected && !isDead(who, processes, at) && !said.includes(who))
      note('truth', `${name} says nothing of ${who}, which has subscribed`)
  }
}

/**
 * Within a subscription, what one process published comes whole and once: a process that does not keep up misses what the
 * `overflow` event counts, and of a channel that says `disconnect` nothing before the end of its subscription.
 */
export function judgeMissed(evidence: Evidence): void {
  const { ledger, note } = evidence
  const published = new Map<string, Operation[]>()
  for (const operation of ledger.operations) {
    if (operation.kind !== 'publish' || operation.settlements[0]?.error !== undefined) continue
    const name = `${operation.from} ${operation.channel}`
    published.set(name, [...(published.get(name) ?? []), operation])
  }
  const missed = new Map<string, number>()
  for (const session of ledger.sessions) {
    const name = `${session.who} ${session.channel}`
    const gaps = gapsIn(session, published)
    missed.set(name, (missed.get(name) ?? 0) + gaps)
    if (gaps > 0 && policyOf(session.channel) === 'disconnect')
      note('truth', `${session.who} missed ${gaps} messages of ${session.channel}, and its subscription went on`)
    const tags = session.heard.map(({ tag }) => tag)
    if (new Set(tags).size !== tags.length) note('runs once', `${session.who} heard a message twice`)
    if (session.heard.some(({ at }) => at > session.endedAt))
      note('truth', `${session.who} heard ${session.channel} after it had unsubscribed`)
  }
  for (const event of ledger.overflows) judgeOverflow(event, evidence)
  for (const [name, count] of missed) {
    const told = ledger.overflows
      .filter(({ incarnation, channel }) => `${incarnation} ${channel}` === name)
      .reduce((sum, { dropped }) => sum + dropped, 0)
    if (count > told) note('truth', `${name} missed ${count} messages, and ${told} were told of`)
  }
}

/** It does what the channel says; and whoever is disconnected learns it. */
function judgeOverflow(
  { at, incarnation, channel, overflow }: Overflowed,
  { ledger, processes, note }: Evidence,
): void {
  if (policyOf(channel) !== overflow) note('truth', `${channel} was said to be treated as ${overflow}`)
  const latest = at + WAY
  if (overflow !== 'disconnect' || isDead(incarnation, processes, latest)) return
  const unaware = ledger.sessions.some(
    (session) =>
      session.who === incarnation && session.channel === channel && session.activeAt < at && session.endedAt > latest,
  )
  // It is full because it did not read: only then may it take long.
  if (unaware && !disturbed([0, incarnation], [at - WAY, latest], processes))
    note('truth', `${incarnation} was disconnected from ${channel}, and does not know it`)
}

/** Messages that did not come, though a later one of the same process did. */
function gapsIn({ channel, activeAt, heard }: Session, published: ReadonlyMap<string, Operation[]>): number {
  const tags = new Set(heard.map(({ tag }) => tag))
  let gaps = 0
  for (const [name, operations] of published) {
    if (!name.endsWith(` ${channel}`)) continue
    const last = operations.findLastIndex(({ tag }) => tags.has(tag))
    for (const { tag, sentAt } of operations.slice(0, Math.max(0, last)))
      if (sentAt > activeAt && !tags.has(tag)) gaps++
  }
  return gaps
}

function policyOf(name: string): string {
  return CHANNELS.find((channel) => channel.name === name)?.overflow ?? 'drop-newest'
}
