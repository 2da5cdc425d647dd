import { ERROR_CODES } from '../../src/protocol/error-record.js'

/** Of all messages at least so many have to be answered; most of the others are made to fail. */
const ANSWERED = 0.5
/** Of 14 kinds of request three always fail, for what the method throws, its deadline, or its signal. */
const EXPECTED = ['ERR_REMOTE', 'ERR_CALL_TIMEOUT', 'ERR_CALL_ABORTED']

/** What is wrong with how the messages of a soak ended, each in a line: by code, how many. */
export function judgeOutcomes(outcomes: Readonly<Record<string, number>>): readonly string[] {
  const all = Object.values(outcomes).reduce((sum, count) => sum + count, 0)
  const { answered = 0 } = outcomes
  const named = new Set(['answered', ...ERROR_CODES])
  return [
    ...Object.keys(outcomes)
      .filter((name) => !named.has(name))
      .map((name) => `${outcomes[name]} ended in what is no code of the catalogue: ${name}`),
    ...(answered < ANSWERED * all || all === 0 ? [`${answered} of ${all} messages were answered`] : []),
    ...EXPECTED.filter((code) => !outcomes[code]).map(
      (code) => `none ended in ${code}, which is asked for all the while`,
    ),
  ]
}
