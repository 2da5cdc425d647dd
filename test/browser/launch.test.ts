import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { launchBrowser, missingBrowser } from '../support/browser.js'

test('Chromium loads a page served by this machine', async ({ skip }) => {
  skip(missingBrowser !== undefined, missingBrowser)
  const server = createServer((_request, response) => {
    response
      .setHeader('content-type', 'text/html')
      .end('<title>plain</title><script>document.title = "scripted"</script>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const browser = await launchBrowser()
  try {
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    expect(await page.title()).toBe('scripted')
  } finally {
    await browser.close()
    server.close()
  }
})
