// Regression of joint heat-maps (specification of STAL, pose network).
#pragma once

#include "models/losses/loss_term.h"
#include "models/model.h"

namespace muster::models {

// Mean over places of (H_j - G_j)^2, one term a joint, where G_j is the Gaussian of height 1 and
// targets.deviation around joint j (pose_network/heat_maps.h).
//   maps            H [clips, frames, joints, height, width]
//   targets.joints  [clips, frames, joints, 3] x, y in pixels of the maps, confidence in [0, 1]
// Joints of confidence 0 are left out, whatever their place: the mark does not say whether they are
// outside the picture or unknown, so nothing can be asked of their maps. All others, hidden ones
// too, count alike. Finite for finite maps; without any known joint 0, with zero gradients.
// Statistics:
//   joint_error  distance of the decoded joint to the true one, pixels of the network's input
//   joint_pck    within a tenth of the input's height (percentage of correct keypoints as a share)
LossTerm heat_map_loss(const at::Tensor& maps, const JointTargets& targets);

}  // namespace muster::models
