-- Each request is another user's, to a path of its own; every answer is looked at. What is asked is in variables.
local first, count = tonumber(os.getenv("FIRST")), tonumber(os.getenv("USERS"))
local checks_outcome = os.getenv("CHECKS_OUTCOME") == "1"
local pause, pace = tonumber(os.getenv("PAUSE_MS")), tonumber(os.getenv("PACE_MS"))
local before, after, tokens, number = "", "", {}, 0
local threads = {}

good, bad, refused, owed = 0, 0, 0, 0

function setup(thread)
    table.insert(threads, thread)
end

function init(_)
    local file = assert(io.open(os.getenv("TOKENS")))
    file:seek("set", first * tonumber(os.getenv("WIDTH")))
    for at = 1, count do
        tokens[at] = file:read("*l"):match("^%S+")
    end
    file:close()
    local body = '{"message_body": "Hello from the bench"}'
    before = "POST /v1/send-message/a1b2c3d4-e5f6-7890-abcd-ef1234567890/"
    after = " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " .. #body
    after = after .. "\r\nAuthorization: Bearer "
    ending = "\r\n\r\n" .. body
    if os.getenv("METHOD") == "GET" then
        request = function() return "GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" end
    end
end

function request()
    number = number + 1
    local id = string.format("b2c3d4e5-f6a7-8901-bcde-%012x", number)
    return before .. id .. after .. tokens[(number - 1) % count + 1] .. ending
end

function delay()
    if owed > 0 then
        owed = owed - 1
        return pause
    end
    return pace
end

if pause == 0 and pace == 0 then
    delay = nil
end

function response(status, headers, _)
    -- Uvicorn writes names in small letters.
    local outcome = headers["X-Send-Outcome"] or headers["x-send-outcome"]
    if status == 200 and (not checks_outcome or outcome == "sent") then
        good = good + 1
    else
        bad = bad + 1
        if pause > 0 then owed = owed + 1 end
    end
end

function done(summary, latency, _)
    local good, bad = 0, 0
    for _, thread in ipairs(threads) do
        good, bad = good + thread:get("good"), bad + thread:get("bad")
    end
    local errors = summary.errors
    local lost = errors.connect + errors.read + errors.write + errors.timeout
    io.write(string.format(
        '\n{"good": %d, "bad": %d, "lost": %d, "seconds": %f, "p50": %d, "p95": %d, "p99": %d, "mean": %d}\n',
        good, bad, lost, summary.duration / 1e6,
        latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.mean))
end
