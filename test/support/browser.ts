import { type Browser, chromium } from 'playwright-core'
import { findChromium, howToInstall } from '../../scripts/browser.mjs'

const executablePath = findChromium()

/**
 * Why browser tests cannot run here, or `undefined` when they can.
 * Give it to the test's own `skip`, so that the report shows it: `skip(missingBrowser !== undefined, missingBrowser)`.
 */
export const missingBrowser: string | undefined = executablePath ? undefined : `no Chromium found. ${howToInstall}`

/** Starts a headless Chromium with an empty profile of its own. Whoever launches it closes it. */
export function launchBrowser(): Promise<Browser> {
  if (!executablePath) throw new Error(missingBrowser)
  return chromium.launch({
    executablePath,
    args: [
      // Chromium's sandbox does not start for root, which is what containers run as.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      // The rest keeps it from calling home: tests talk to this machine only.
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
