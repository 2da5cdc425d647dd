// Builds of the app that do not come to serve, each in its own way.

const how = process.argv[2]
if (how === 'throws') throw new Error('the build is broken')
if (how === 'never-ready') setInterval(() => {}, 60_000)
if (how === 'dies') {
  await import('./app.mjs')
  setTimeout(() => process.exit(7), 1_000)
}
