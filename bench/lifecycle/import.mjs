// Says how long the import of a module takes here, and what CPU time: `import.mjs ./empty.mjs`, or `../../dist/index.js`.

const [module = ''] = process.argv.slice(2)
const cpuBefore = process.cpuUsage()
const before = performance.now()
await import(module)
const took = performance.now() - before
const { user, system } = process.cpuUsage(cpuBefore)
console.log(JSON.stringify({ took, cpu: (user + system) / 1_000 }))
process.exit()
