// All losses. Each is a sum and a count over this rank's terms (losses/loss_term.h), so that the
// mean over the global batch is exact however clips are shared out.
#pragma once

#include "models/losses/attentive_triplet_loss.h"
#include "models/losses/heat_map_loss.h"
#include "models/losses/identity_loss.h"
#include "models/losses/loss_term.h"
#include "models/losses/pair_loss.h"
#include "models/losses/triplet_loss.h"
#include "models/losses/verification_loss.h"
