-- wrk: each request shows the next of many tokens, from the file that TOKENS names.
local requests = {}
for token in io.lines(os.getenv("TOKENS")) do
    requests[#requests + 1] = wrk.format("GET", "/api/resource", {["Host"] = "a", ["Authorization"] = "Bearer " .. token})
end
local at = 0
function request()
    at = at % #requests + 1
    return requests[at]
end
