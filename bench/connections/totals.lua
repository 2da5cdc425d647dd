-- What wrk counted, whole and exact, as one line of JSON; its own summary is rounded. No `response` function: calling into
-- Lua for every answer would cost more than the servers that are measured.
done = function(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.stderr:write(string.format('{"answers":%d,"bytes":%d,"seconds":%f,"failed":%d}\n',
    summary.requests, summary.bytes, summary.duration / 1e6, failed))
end
