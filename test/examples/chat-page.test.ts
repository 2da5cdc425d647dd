import { describe, expect, it } from 'vitest'
import {
  initialsOf,
  isEmojiOnly,
  listOf,
  reconnectDelay,
  segmentsOf,
  toneOf,
} from '../../examples/chat/public/format.js'
import { History } from '../../examples/chat/public/history.js'
import { Outbox } from '../../examples/chat/public/outbox.js'

describe('the links of a message', () => {
  const links = (text: string) => segmentsOf(text).flatMap(({ href }) => href ?? [])

  it('are http and https addresses, and nothing else', () => {
    expect(links('see http://a.example/x and https://b.example')).toEqual(['http://a.example/x', 'https://b.example/'])
    expect(links('javascript:alert(1) data:text/html,x //c.example ftp://d.example')).toEqual([])
    expect(links('http:// https://%')).toEqual([])
  })

  it('end before the punctuation of the sentence', () => {
    expect(links('(https://a.example/x). Or https://a.example/stage_(2)!')).toEqual([
      'https://a.example/x',
      'https://a.example/stage_(2)',
    ])
  })

  it('leave every character of the text in its place', () => {
    const text = 'a https://a.example, b <https://b.example> "https://c.example" end'
    expect(
      segmentsOf(text)
        .map((segment) => segment.text)
        .join(''),
    ).toBe(text)
  })
})

describe('a person', () => {
  it('has initials in any script', () => {
    expect(['Ada Lovelace', 'ada', 'Zoë de Wit', '李 明', '🙂', '<b>x'].map(initialsOf)).toEqual([
      'AL',
      'A',
      'ZW',
      '李明',
      '🙂',
      'B',
    ])
  })

  it('has the same colour everywhere', () => {
    expect(toneOf('Ada')).toBe(toneOf('ada'))
    expect(new Set(['Ada', 'Bo', 'Cleo', 'Dan', 'Eve', 'Fay', 'Gus'].map(toneOf)).size).toBeGreaterThan(3)
  })

  it('is named with the others', () => {
    expect([['A'], ['A', 'B'], ['A', 'B', 'C'], ['A', 'B', 'C', 'D', 'E']].map(listOf)).toEqual([
      'A',
      'A and B',
      'A, B and C',
      'A, B and 3 more',
    ])
  })
})

it('shows a few emoji large, and words not', () => {
  expect(['👍', '👩‍👩‍👧 ❤️', '👍👍👍👍', 'ok 👍', '12'].map(isEmojiOnly)).toEqual([true, true, false, false, false])
})

it('comes back soon at first, later more slowly, and not all pages at once', () => {
  expect(reconnectDelay(0, 0)).toBe(150)
  expect(reconnectDelay(0, 1)).toBe(300)
  expect(reconnectDelay(3, 1)).toBe(2_400)
  expect(reconnectDelay(50, 1)).toBe(10_000)
})

describe('the outbox', () => {
  const item = (nonce: string, room = 'lobby') => ({ room, nonce, text: nonce, at: 0 })

  it('sends one message at a time, in the order written', () => {
    const outbox = new Outbox()
    outbox.add(item('one'))
    outbox.add(item('two'))
    expect(outbox.next('lobby')?.nonce).toBe('one')
    expect(outbox.next('lobby')).toBeUndefined()
    outbox.remove('one')
    expect(outbox.next('lobby')?.nonce).toBe('two')
  })

  it('sends again what was under way when the connection was lost', () => {
    const outbox = new Outbox()
    outbox.add(item('one'))
    outbox.next('lobby')
    outbox.retry()
    expect(outbox.next('lobby')?.nonce).toBe('one')
  })

  it('keeps the messages of other rooms for when they are open', () => {
    const outbox = new Outbox()
    outbox.add(item('one', 'garden'))
    expect(outbox.next('lobby')).toBeUndefined()
    expect(outbox.next('garden')?.nonce).toBe('one')
  })

  it('survives a reload of the page', () => {
    let saved = '[]'
    const outbox = new Outbox({ save: (items) => (saved = JSON.stringify(items)) })
    outbox.add(item('one'))
    outbox.add(item('two'))
    outbox.remove('one')
    expect(new Outbox({ items: JSON.parse(saved) }).in('lobby')).toEqual([item('two')])
  })

  it('has a limit', () => {
    const outbox = new Outbox()
    while (!outbox.isFull) outbox.add(item(`${Math.random()}`))
    expect(outbox.in('lobby')).toHaveLength(20)
  })
})

describe('the history of a page', () => {
  const message = (seq: number) => ({ seq, at: 0, person: 'p', name: 'Ada', text: '' })
  const joined = (seqs: number[], rest = {}) => ({
    log: 'log-1',
    resumed: false,
    truncated: false,
    messages: seqs.map(message),
    ...rest,
  })

  it('continues after a reconnect, and takes no message twice', () => {
    const history = new History()
    expect(history.join(joined([1, 2]))).toBe(false)
    expect(history.add(message(2))).toBe(false)
    expect(history.join(joined([2, 3], { resumed: true }))).toBe(true)
    expect(history.messages.map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(history.position).toEqual({ log: 'log-1', seq: 3 })
  })

  it('begins anew when the log is another one', () => {
    const history = new History()
    history.join(joined([1, 2]))
    history.readTo = 2
    expect(history.join(joined([1], { log: 'log-2' }))).toBe(false)
    expect([history.last, history.readTo]).toEqual([1, 0])
  })

  it('is bounded', () => {
    const history = new History()
    for (let seq = 1; seq <= 600; seq += 1) history.add(message(seq))
    expect([history.messages.length, history.truncated]).toEqual([500, true])
  })
})
