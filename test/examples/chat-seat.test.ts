import { describe, expect, it } from 'vitest'
import type { Answer, Joined, JoinRequest, PostedMessage } from '../../examples/chat/contract.js'
import { Seat } from '../../examples/chat/seat.js'

const you = { person: 'person-ada', name: 'Ada' }
const request: JoinRequest = { connection: 1, client: 'client-ada', name: 'Ada', room: 'lobby' }

function message(seq: number, client = 'client-bo'): PostedMessage {
  return { seq, at: 0, person: 'person-bo', name: 'Bo', text: `text ${seq}`, client, nonce: `nonce-${seq}` }
}

function event(seq: number, room = 'lobby', client?: string) {
  const posted = message(seq, client)
  return { room, log: 'log-1', message: posted, frame: JSON.stringify({ type: 'message', seq, text: posted.text }) }
}

/** The primary as far as a seat sees it: a question that the test answers when it likes. */
function createSeat() {
  const sent: { type: string; seq?: number; nonce?: string; messages?: { seq: number }[]; code?: string }[] = []
  const asked: { request: JoinRequest; answer: (answer: Answer<Joined>) => void; fail: () => void }[] = []
  const listening = new Set<string>()
  const seat = new Seat({
    join: (asking) =>
      new Promise((answer, fail) => asked.push({ request: asking, answer, fail: () => fail(new Error('gone')) })),
    listen: (room, wanted) => void (wanted ? listening.add(room) : listening.delete(room)),
    send: (frame) => sent.push(frame),
    sendFrame: (frame) => sent.push(JSON.parse(frame)),
    refuse: ({ code }) => sent.push({ type: 'refused', code }),
    unavailable: () => sent.push({ type: 'refused', code: 'unavailable' }),
  })
  return { seat, sent, asked, listening }
}

function history(seqs: number[], rest: Partial<Joined> = {}): Answer<Joined> {
  const messages = seqs.map((seq) => message(seq))
  return {
    ok: true,
    value: { room: 'lobby', log: 'log-1', you, people: [you], messages, resumed: false, truncated: false, ...rest },
  }
}

/** Lets promises that are settled already run their continuations. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

async function seated(seqs: number[]) {
  const all = createSeat()
  all.seat.enter(request)
  await settle()
  all.asked[0]?.answer(history(seqs))
  await settle()
  all.sent.length = 0
  return all
}

describe('a seat', () => {
  it('listens to the room before it asks for the history, and shows each message once', async () => {
    const { seat, sent, asked, listening } = createSeat()
    seat.enter(request)
    await settle()
    expect(listening).toContain('lobby')
    seat.deliver(event(2))
    seat.deliver(event(3))
    asked[0]?.answer(history([1, 2]))
    await settle()
    expect(sent.map(({ type, seq }) => [type, seq])).toEqual([
      ['joined', undefined],
      ['message', 3],
    ])
    expect(sent[0]?.messages?.map(({ seq }) => seq)).toEqual([1, 2])
  })

  it('tells the author alone the nonce', async () => {
    const { seat, sent } = await seated([])
    seat.deliver(event(1, 'lobby', 'client-bo'))
    seat.deliver(event(2, 'lobby', 'client-ada'))
    expect(sent.map(({ nonce }) => nonce)).toEqual([undefined, 'nonce-2'])
  })

  it('drops what it has shown already', async () => {
    const { seat, sent } = await seated([1, 2])
    seat.deliver(event(2))
    expect(sent).toEqual([])
  })

  it('asks the primary for what the channel dropped', async () => {
    const { seat, sent, asked } = await seated([1])
    seat.deliver(event(4))
    await settle()
    expect(asked[1]?.request.since).toEqual({ log: 'log-1', seq: 1 })
    seat.deliver(event(5))
    asked[1]?.answer(history([2, 3, 4], { resumed: true }))
    await settle()
    expect(sent.map(({ seq }) => seq)).toEqual([2, 3, 4, 5])
  })

  it('moves: hears the new room only, once the primary has agreed', async () => {
    const { seat, sent, asked, listening } = await seated([1])
    seat.enter({ ...request, room: 'garden' })
    await settle()
    asked[1]?.answer(history([], { room: 'garden', log: 'log-2' }))
    await settle()
    seat.deliver(event(2))
    expect([...listening]).toEqual(['garden'])
    expect(sent.map(({ type }) => type)).toEqual(['joined'])
  })

  it('stays where it is when the new room refuses it', async () => {
    const { seat, sent, asked, listening } = await seated([1])
    seat.enter({ ...request, room: 'garden' })
    await settle()
    asked[1]?.answer({ ok: false, refusal: { code: 'room-full', reason: 'full' } })
    await settle()
    seat.deliver(event(2))
    expect([...listening]).toEqual(['lobby'])
    expect(sent.map(({ type }) => type)).toEqual(['refused', 'message'])
  })

  it('says so when the primary cannot be reached, and goes on', async () => {
    const { seat, sent, asked } = createSeat()
    seat.enter(request)
    await settle()
    asked[0]?.fail()
    await settle()
    seat.enter(request)
    await settle()
    asked[1]?.answer(history([1]))
    await settle()
    expect(sent.map(({ type }) => type)).toEqual(['refused', 'joined'])
  })

  it('keeps who is here for after the history', async () => {
    const { seat, sent, asked } = createSeat()
    seat.enter(request)
    await settle()
    seat.tell('lobby', '{"type":"people"}')
    expect(sent).toEqual([])
    asked[0]?.answer(history([]))
    await settle()
    expect(sent.map(({ type }) => type)).toEqual(['joined', 'people'])
  })

  it('is silent once its connection has closed', async () => {
    const { seat, sent, asked } = createSeat()
    seat.enter(request)
    await settle()
    seat.leave()
    asked[0]?.answer(history([1]))
    await settle()
    seat.deliver(event(2))
    expect(sent).toEqual([])
  })
})
