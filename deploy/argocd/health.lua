-- The health of a ScaledObject for Argo CD: resource.customizations.health.keda.sh_ScaledObject in the ConfigMap argocd-cm.
-- docs/operate/gitops.md describes it. Argo CD gives the object as `obj`; Lua 5.1.
if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "Ebb restores the target and removes its finalizer" }
end

local conditions = {}
for _, condition in ipairs(obj.status ~= nil and obj.status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready, fallback, paused = conditions.Ready, conditions.Fallback, conditions.Paused

-- KEDA's conditions have no observedGeneration, and no reason before the first check.
local seen = ready ~= nil and ready.observedGeneration or obj.metadata.generation
if ready == nil or ready.reason == nil or (seen ~= nil and seen < (obj.metadata.generation or 0)) then
  return { status = "Progressing", message = "waiting for Ebb to check this ScaledObject" }
end
if ready.status ~= "True" then
  return { status = "Degraded", message = ready.message }
end
if fallback ~= nil and fallback.status == "True" then
  return { status = "Degraded", message = fallback.message }
end
if paused ~= nil and paused.status == "True" then
  return { status = "Suspended", message = paused.message }
end
return { status = "Healthy", message = ready.message }
