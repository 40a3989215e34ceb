-- Waits before each request for a random time, DELAY_MILLIS on average, so that the checks offered stay below capacity.
local mean = tonumber(os.getenv("DELAY_MILLIS"))

function delay()
    -- wrk takes whole milliseconds: rounded up or down at random, so that the average is kept.
    return math.floor(2 * mean * math.random() + math.random())
end
