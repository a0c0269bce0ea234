// How both programs end (DESIGN section 4).
#pragma once

namespace muster::launcher {

constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;
constexpr int kExitBadInput = 2;
constexpr int kExitStoppedOnRequest = 75;

}  // namespace muster::launcher
