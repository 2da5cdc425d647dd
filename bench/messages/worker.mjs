// A worker of any candidate that lets us say what a worker runs: `worker.mjs '{"program":"raw",…}'`.

/** @type {import('./job.mjs').Job} */
const job = JSON.parse(process.argv[2] ?? '')
const { serve } = await import(`./candidates/${job.program}.mjs`)
await serve(job)
