// Counts the tests in a report of vitest's JSON reporter; run as a program it prints the one line that CI ends with.

import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * A file that failed without a failed test (it did not load, a hook of it threw) counts as one failure, and so does a
 * run that left no report: no kind of failure may look like zero failures.
 * @param {string} file
 * @returns {{ passed: number, failed: number, failures: string[] }} `failures` has one entry for each failed test
 */
export function countTests(file) {
  if (!existsSync(file)) return { passed: 0, failed: 1, failures: [] }
  /** @type {{ testResults: { name: string, status: string, message: string, assertionResults: { status: string, fullName: string, failureMessages: string[] }[] }[] }} */
  const report = JSON.parse(readFileSync(file, 'utf8'))
  let passed = 0
  /** @type {string[]} */
  const failures = []
  for (const suite of report.testResults) {
    passed += suite.assertionResults.filter((test) => test.status === 'passed').length
    const failed = suite.assertionResults.filter((test) => test.status === 'failed')
    failures.push(...failed.map((test) => `${suite.name}: ${test.fullName}\n${test.failureMessages.join('\n')}`))
    if (suite.status === 'failed' && failed.length === 0) failures.push(`${suite.name}: ${suite.message}`)
  }
  return { passed, failed: failures.length, failures }
}

if (process.argv[1] && pathToFileURL(resolve(process.argv[1])).href === import.meta.url) {
  const { passed, failed } = countTests(process.argv[2] ?? 'build/test-report.json')
  console.log(`${passed} passed, ${failed} failed`)
}
