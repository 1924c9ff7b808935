-- Agents: who started a runtime, which ones are shared with them, and what they ran.

-- {client, pid, agent} of whoever asked for it, null where somebody else started the kernel.
ALTER TABLE runtime ADD COLUMN started_by_json TEXT;
-- Whether agents see it that did not start it.
ALTER TABLE runtime ADD COLUMN shared INTEGER NOT NULL DEFAULT 0;

-- Which limits of its runtime an execution has exceeded, and what was done about it:
-- {time, output: sentences, left_running}.
ALTER TABLE execution ADD COLUMN exceeded_json TEXT;

-- Each is in the order of submission: an index ends with the number.
CREATE INDEX execution_by_client ON execution (json_extract(requested_by_json, '$.client'));
CREATE INDEX execution_by_agent ON execution (json_extract(requested_by_json, '$.agent'))
    WHERE json_extract(requested_by_json, '$.agent') IS NOT NULL;
