import { describe, expect, it } from 'vitest'
import { parseClientMessage } from '../../examples/chat/wire.js'

const client = 'a1b2c3d4e5f6'
const parse = (value: unknown) => parseClientMessage(JSON.stringify(value))

describe('a frame from the page', () => {
  it('is one of the closed union, without anything else that was in it', () => {
    expect(parse({ type: 'join', room: 'lobby', name: 'Ada', client, admin: true })).toEqual({
      type: 'join',
      room: 'lobby',
      name: 'Ada',
      client,
    })
    const say = { type: 'say', room: 'lobby', nonce: client, text: '<b>' }
    expect(parse(say)).toEqual(say)
    expect(parse({ type: 'typing' })).toEqual({ type: 'typing' })
    expect(parse({ type: 'ping' })).toEqual({ type: 'ping' })
    expect(parse({ type: 'wave', person: 'abcdefgh1234' })).toEqual({ type: 'wave', person: 'abcdefgh1234' })
  })

  it('may say where its reader stopped', () => {
    const since = { log: 'log-12345678', seq: 7 }
    expect(parse({ type: 'join', room: 'lobby', name: 'Ada', client, since })).toMatchObject({ since })
  })

  it.each([
    ['text that is no JSON', '{'],
    ['nothing', ''],
    ['null', 'null'],
    ['an array', '[{"type":"ping"}]'],
    ['an unknown type', '{"type":"drop"}'],
    ['an inherited name as type', '{"type":"constructor"}'],
    ['a join without a client', '{"type":"join","room":"lobby","name":"Ada"}'],
    ['a client with a space, which would blur a receipt', '{"type":"join","room":"a","name":"b","client":"aaaa bbbb"}'],
    ['a name that is no string', `{"type":"join","room":"lobby","name":{},"client":"${client}"}`],
    [
      'a position that is no number',
      `{"type":"join","room":"a","name":"b","client":"${client}","since":{"log":"${client}","seq":"1"}}`,
    ],
    [
      'a position below zero',
      `{"type":"join","room":"a","name":"b","client":"${client}","since":{"log":"${client}","seq":-1}}`,
    ],
    ['a message without a nonce', '{"type":"say","room":"lobby","text":"hello"}'],
    ['a message for no room', `{"type":"say","text":"a","nonce":"${client}"}`],
    ['a nonce that is a page long', `{"type":"say","room":"lobby","text":"a","nonce":"${'x'.repeat(65)}"}`],
  ])('is refused when it is %s', (_, data) => {
    expect(parseClientMessage(data)).toBeUndefined()
  })
})
