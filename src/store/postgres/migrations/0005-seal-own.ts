// Records a step in the user's own transaction, as makegood.record_own does, but says by an error that it did not: so COMMIT
// can be sent right behind it, and is not run then. The error's message is what the engine is told.
export const name = "0005-seal-own";

/** The first part of the message; behind it stands `lost`, `refused` or `foreign`. */
export const refusalPrefix = "makegood does not record this step: ";

export const sql: string = `
CREATE FUNCTION makegood.seal_own(
  p_execution_id uuid, p_step text, p_role text, p_kind text, p_seq integer, p_started integer, p_attempt integer, p_state text,
  p_body bytea, p_at bigint, p_token integer, p_actor text, p_is_back boolean, p_max_idle text)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  its_token integer;
  its_status text;
  its_phase text;
  wrote integer;
  refusal text;
BEGIN
  IF current_setting('idle_in_transaction_session_timeout') = '0' THEN
    PERFORM set_config('idle_in_transaction_session_timeout', p_max_idle, true);
  END IF;
  SELECT e.token, e.status, e.phase INTO its_token, its_status, its_phase
    FROM makegood.execution e WHERE e.id = p_execution_id FOR NO KEY UPDATE;
  IF its_token IS DISTINCT FROM p_token OR its_status <> 'running' THEN
    refusal := 'lost';
  ELSIF (its_phase = 'back') <> p_is_back THEN
    refusal := 'refused';
  ELSE
    INSERT INTO makegood.journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
    VALUES (p_execution_id, p_step, p_role, p_kind, p_seq, p_started, p_attempt, p_state, p_body, p_at, p_token, p_actor)
    ON CONFLICT (execution_id, step, role) DO NOTHING;
    GET DIAGNOSTICS wrote = ROW_COUNT;
    IF wrote = 0 THEN
      SELECT CASE WHEN j.token = p_token THEN 'lost' ELSE 'foreign' END INTO refusal
        FROM makegood.journal j WHERE j.execution_id = p_execution_id AND j.step = p_step AND j.role = p_role;
    END IF;
  END IF;
  IF refusal IS NOT NULL THEN
    RAISE EXCEPTION '${refusalPrefix}%', refusal USING ERRCODE = 'MG001';
  END IF;
END
$$;
`;
